"""What a chat template puts between messages, found by localtune.ollama.template."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from localtune.llama.chat import Message

Pair = tuple[str, str]  # (role before, role behind); "" for the start and the end
LATER = "later"  # the role of a system message that isn't the first message, if it is another


@dataclass(frozen=True)
class TemplatePieces:
    """What stands between messages, by (role before, role behind), "" being start and end.

    `trims` are the characters that a role's messages lose, at their left end and at their right.
    A system message is left out where it is empty and `skips_empty`, or not the first message and
    `skips_later`; with `system_last` it stands with the last question. `keeps_thoughts` says that
    the template takes thoughts out of what was said, and this doesn't.
    """

    between: dict[Pair, str]
    trims: dict[str, tuple[str, str]]
    skips_empty: bool = False
    skips_later: bool = False
    system_last: bool = False
    keeps_thoughts: bool = False

    def render(self, messages: list[Message]) -> str:
        """Render a conversation, up to where the answer begins.

        Raises KeyError where one role follows another as it never does.
        """
        messages = [m for i, m in enumerate(messages) if not self._skips(i, m)]
        messages = moved(messages) if self.system_last else messages
        named = roles_of(messages) if self.has_later else [m["role"] for m in messages]
        roles = ["", *named, ""]
        said = [self._said(r, m["content"]) for r, m in zip(named, messages, strict=True)]
        between = (self.between[pair] for pair in pairwise(roles))
        return "".join(a + b for a, b in zip(between, [*said, ""], strict=True))

    def _skips(self, at: int, message: Message) -> bool:
        empty, later = not message["content"], at > 0
        skipped = (self.skips_empty and empty) or (self.skips_later and later)
        return skipped and message["role"] == "system"

    def _said(self, role: str, text: str) -> str:
        left, right = self.trims.get(role, ("", ""))
        text = text.lstrip(left) if left else text
        return text.rstrip(right) if right else text

    @property
    def has_later(self) -> bool:
        """Whether a later system message is treated otherwise than a first one."""
        return any(LATER in pair for pair in self.between)


def roles_of(messages: list[Message]) -> list[str]:
    """Return the roles, LATER for every system message but one in front."""
    roles = [message["role"] for message in messages]
    return [LATER if i and role == "system" else role for i, role in enumerate(roles)]


def moved(messages: list[Message]) -> list[Message]:
    """Put a first system message before the last one."""
    if len(messages) > 1 and messages[0]["role"] == "system":
        return [*messages[1:-1], messages[0], messages[-1]]
    return messages
