"""A Jinja chat template -> the Go template that Ollama before 0.30 needs, where it is that simple.

The Jinja is not read but probed: it renders messages with marked contents, and what stands around
the marks is taken apart. What was found must then render a set of conversations exactly as the
Jinja does; a template that does more than put text around messages gives None.
"""

from __future__ import annotations

from dataclasses import dataclass

from localtune.errors import RuntimeFileError
from localtune.runtimes.chat import Message, render

MARKS = {"system": "SYSTEM0MARK", "user": "USER0MARK", "assistant": "ASSISTANT0MARK"}
LAST = "LAST0MARK"
CONVERSATIONS = (
    ("user",),
    ("user", "assistant"),
    ("user", "assistant", "user"),
    ("user", "assistant", "user", "assistant", "user"),
    ("system", "user"),
    ("system", "user", "assistant", "user"),
)


@dataclass(frozen=True)
class Pieces:
    """A template of the simple kind: `start`, each message between its two texts, `ask`."""

    start: str
    around: dict[str, tuple[str, str]]
    ask: str

    def render(self, messages: list[Message]) -> str:
        """Render a conversation, up to where the answer begins."""
        turns = (self.around[m["role"]] + (m["content"],) for m in messages)
        return self.start + "".join(a + content + b for a, b, content in turns) + self.ask

    def go(self, without: str = "") -> str:
        """Return the Go template; `without` is a text at the start that the runtime adds."""
        roles = [
            f'eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
            for role, (before, after) in self.around.items()
        ]
        inside = "{{ if " + "{{ else if ".join(roles) + "{{ end }}"
        start = self.start.removeprefix(without)
        return start + "{{ range .Messages }}" + inside + "{{ end }}" + self.ask


def derive(template: str, bos: str, eos: str) -> Pieces | None:
    """Take a Jinja template apart; None where it can't be written as a simple Go template."""
    try:
        pieces = _take_apart(template, bos, eos)
    except (RuntimeFileError, ValueError):
        return None
    return pieces if _equal(pieces, template, bos, eos) and _writable(pieces) else None


def _take_apart(template: str, bos: str, eos: str) -> Pieces:
    """Find the texts around the marks. Raises ValueError where a mark isn't shown once."""

    def shown(*roles: str, ask: bool = False) -> str:
        marked = [{"role": role, "content": MARKS[role]} for role in roles]
        if roles[-1] == "user" and len(roles) > 1:
            marked[-1]["content"] = LAST
        return render(template, marked, bos, eos, ask)

    alone, user = shown("user"), MARKS["user"]
    head, after_user = _split(alone, user)
    turn = _split(shown("user", "assistant"), user)[1]
    before_answer, after_answer = _split(turn, MARKS["assistant"])
    before_answer = _without_start(before_answer, after_user)
    dialogue = _split(shown("user", "assistant", "user"), MARKS["assistant"])[1]
    before_user = _without_start(_split(dialogue, LAST)[0], after_answer)
    start = _without_end(head, before_user)
    around = {"user": (before_user, after_user), "assistant": (before_answer, after_answer)}
    ask = _without_start(shown("user", ask=True), alone)
    system = _system(template, bos, eos, start, before_user)
    return Pieces(start, {**system, **around}, ask)


def _system(
    template: str, bos: str, eos: str, start: str, before_user: str
) -> dict[str, tuple[str, str]]:
    """Return the texts around a system message, nothing where the template refuses one."""
    messages = [
        {"role": "system", "content": MARKS["system"]},
        {"role": "user", "content": MARKS["user"]},
    ]
    try:
        text = render(template, messages, bos, eos, ask=False)
    except RuntimeFileError:
        return {}
    head, rest = _split(text, MARKS["system"])
    after = _without_end(_split(rest, MARKS["user"])[0], before_user)
    return {"system": (_without_start(head, start), after)}


def _split(text: str, mark: str) -> tuple[str, str]:
    before, found, after = text.partition(mark)
    if not found or mark in after:
        raise ValueError(f"{mark} is not shown once")
    return before, after


def _without_start(text: str, start: str) -> str:
    if not text.startswith(start):
        raise ValueError(f"{text!r} doesn't begin with {start!r}")
    return text.removeprefix(start)


def _without_end(text: str, end: str) -> str:
    if not text.endswith(end):
        raise ValueError(f"{text!r} doesn't end with {end!r}")
    return text.removesuffix(end)


def _equal(pieces: Pieces, template: str, bos: str, eos: str) -> bool:
    """Whether both render every conversation alike."""
    known = [roles for roles in CONVERSATIONS if set(roles) <= set(pieces.around)]
    for roles in known:
        messages = [{"role": r, "content": f"{r} says: {i}, é."} for i, r in enumerate(roles)]
        try:
            wanted = render(template, messages, bos, eos)
        except RuntimeFileError:
            return False
        # A last answer is one to go on with, which Ollama itself sees to.
        if roles[-1] != "assistant" and pieces.render(messages) != wanted:
            return False
    return True


def _writable(pieces: Pieces) -> bool:
    """Whether the texts can stand in a Modelfile's multi-line string, which has no escapes."""
    texts = [pieces.start, pieces.ask, *(t for pair in pieces.around.values() for t in pair)]
    return not any(
        "{{" in text or "}}" in text or '"""' in text or _vanishing(text) for text in texts
    )


def _vanishing(text: str) -> bool:
    """Whether Ollama's parser would drop a character (parser/parser.go: what isn't printable)."""
    return any(not char.isprintable() and char not in "\n\t" for char in text)
