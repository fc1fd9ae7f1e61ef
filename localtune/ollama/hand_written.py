"""A Jinja chat template -> the hand-written Go template that renders tools and thoughts as it does.

The Go templates lie in templates/chat, in parts. What each makes of every chat of the battery was
rendered in Go and is kept beside them as digests (tools/chat_renderings.py), so that no Go is
needed here: a Jinja gets the template whose digests its own renderings have, and none for less.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from localtune.errors import RuntimeFileError
from localtune.llama.chat import DAYS, render
from localtune.ollama.template import THOUGHTS, conversations
from localtune.ollama.tool_chats import Chat, tool_chats
from localtune.template_files import templates_folder

# Name -> its parts, in templates/chat. A part comes before those that use it.
PARTS = {
    "qwen-2.5": ("json", "tool", "qwen-2.5"),
    "qwen-3": ("json", "tool", "lines", "qwen-3"),
    "granite-3.3": ("day-month-first", "granite-3.3"),
    "granite-4.0": ("json", "tool", "lines", "granite-says", "granite-4"),
    "granite-4.1": ("json", "tool", "lines", "granite-is-silent", "granite-4"),
    "llama-3.1": ("json", "tool-indented", "trim", "july-2024", "day-short", "llama-3"),
    "llama-3.2": ("json", "tool-indented", "trim", "today", "day-short", "llama-3"),
    "mistral-0.3": ("json", "tool", "trim", "mistral-0.3"),
    "mistral-nemo": ("json", "tool", "mistral-nemo"),
    "smollm-3": ("lines", "day", "today", "smollm-3"),
    "smollm-3-undated": ("lines", "day", "undated", "smollm-3"),
}
DIGITS = 4  # of SHA-256, for each chat; there are hundreds
REFUSED = "-" * DIGITS  # a chat that the template isn't for


@dataclass(frozen=True)
class HandWritten:
    """A Go template without BOS. `begins` says that the Jinja puts BOS in front.

    `keeps_thoughts` says that the Jinja takes thoughts out of what was said, and this doesn't.
    """

    name: str
    text: str
    begins: bool
    keeps_thoughts: bool

    @property
    def takes_tools(self) -> bool:
        """Whether it shows tools, without which Ollama offers none."""
        return ".Tools" in self.text


def hand_written(template: str, bos: str, eos: str) -> HandWritten | None:
    """Return the template that renders every chat as a Jinja does, None where there is none."""
    digests, begins = dict(renderings()), True
    shown: set[str] = set()  # those of which a chat was compared that only they are for
    for n, chat in enumerate(chats()):
        texts = _rendered(template, chat, bos, eos)
        if not texts:
            continue
        begins = begins and all(text.startswith(bos) for text in texts)
        mine = digest([text.removeprefix(bos) for text in texts])
        kept = {name: _nth(line, n) for name, line in digests.items()}
        digests = {
            name: digests[name] for name, theirs in kept.items() if theirs in (mine, REFUSED)
        }
        shown |= {name for name in digests if kept[name] == mine and _asks_more(chat)}
        if not digests:
            return None
    found = next((name for name in digests if name in shown), None)
    if found is None:
        return None
    keeps = _keeps_thoughts(template, digests[found], bos, eos)
    return HandWritten(found, text_of(found), bool(bos) and begins, keeps)


def _keeps_thoughts(template: str, line: str, bos: str, eos: str) -> bool:
    first = sum(1 for _ in chats())
    for n, chat in enumerate(thoughtful(), first):
        texts = _rendered(template, chat, bos, eos)
        if texts and digest([text.removeprefix(bos) for text in texts]) != _nth(line, n):
            return True
    return False


def chats() -> Iterator[Chat]:
    """Yield the battery: plain conversations, and those with tools and thoughts."""
    yield from (Chat(messages) for messages in conversations())
    yield from tool_chats()


def thoughtful() -> Iterator[Chat]:
    """Yield chats whose answers hold thoughts between markers, on which they may differ."""
    yield from (Chat(messages) for messages in conversations(THOUGHTS))


@cache
def text_of(name: str) -> str:
    """Return a Go template's text. A part ends where its last line does."""
    folder = templates_folder() / "chat"
    parts = ((folder / f"{part}.gotmpl").read_text("utf-8") for part in PARTS[name])
    return "".join(part.removesuffix("\n") for part in parts)


@cache
def renderings() -> dict[str, str]:
    """Return the digests of what each template makes of the chats, one after another."""
    file = templates_folder() / "chat" / "renderings.json"
    found: dict[str, str] = json.loads(file.read_text("utf-8"))
    return found


def digest(texts: list[str]) -> str:
    """Return the digest of one chat's renderings, on each of DAYS."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:DIGITS]


def _nth(line: str, n: int) -> str:
    return line[n * DIGITS : (n + 1) * DIGITS]


def _asks_more(chat: Chat) -> bool:
    return bool(chat.tools) or chat.thinks is not None


def _rendered(template: str, chat: Chat, bos: str, eos: str) -> list[str]:
    """Return a chat on each of DAYS, nothing where the Jinja refuses it."""
    messages, tools, thinks = chat.messages, chat.tools, chat.thinks
    try:
        return [
            render(template, messages, bos, eos, day=day, tools=tools, thinks=thinks)
            for day in DAYS
        ]
    except RuntimeFileError:
        return []
