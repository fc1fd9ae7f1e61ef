"""The grammar of Modelfiles: text -> commands -> text. Knows nothing of models.

A value is the rest of a line, or stands between `"` or `\"""` and may then span lines; there are no
escapes, and a closing mark counts only at the end of a line. Characters that Go doesn't call
printable are dropped, but for spaces, tabs and the line breaks of quoted values. Source:
parser/parser.go of Ollama 0.33.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localtune.errors import RuntimeFileError

COMMANDS = (
    *("FROM", "LICENSE", "TEMPLATE", "SYSTEM", "ADAPTER", "DRAFT", "RENDERER", "PARSER"),
    *("PARAMETER", "MESSAGE", "REQUIRES"),
)
BARE = ("FROM", "ADAPTER", "DRAFT", "RENDERER", "PARSER", "REQUIRES")  # usually without marks
ROLES = ("system", "user", "assistant")
BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
NAME = re.compile(r"[A-Za-z]+(?=[ \t])")
KEY = re.compile(r"[A-Za-z0-9_]+(?=[ \t])")
LINE_END = re.compile(r"[\r\n]|\Z")
QUOTES = ('"""', '"')


@dataclass(frozen=True)
class Command:
    """One command: its name in capitals, and `key`, a PARAMETER's name or a MESSAGE's role."""

    name: str
    value: str
    key: str = ""

    def __str__(self) -> str:
        """Return its line or lines. Raises RuntimeFileError where the grammar can't hold it."""
        if not holds(self.value):
            raise RuntimeFileError(
                f"A Modelfile can't hold this {self.name}: {self.value!r}.",
                "Use /api/create, which can; `localtune install` does.",
            )
        bare = self.name in BARE or self.key not in ("", "stop", *ROLES)
        value = self.value if bare and _reads_back(self.value, self.value) else quoted(self.value)
        return " ".join(part for part in (self.name, self.key, value) if part)


def write(commands: Iterable[Command]) -> str:
    """Return a Modelfile's text. Raises RuntimeFileError for a value that it can't hold."""
    return "".join(f"{command}\n" for command in commands)


def comment(text: str) -> str:
    """Return text as lines of comment, each with its own mark: none of it can be a command."""
    lines = (_printable(line) for line in re.split(r"[\r\n]+", text))
    return "\n".join(line if line.startswith("#") else f"# {line}" for line in lines)


def holds(value: str) -> bool:
    """Whether Ollama reads a value back as it is, if it stands between quotation marks."""
    return _reads_back(quoted(value), value)


def held(value: str) -> str:
    """Return a value with a space for each odd one, such as a form feed, and no odd characters."""
    kept = (" " if c.isspace() and c not in "\t\r\n" else c for c in value)
    return _printable("".join(kept))


def quoted(value: str) -> str:
    """Return a value between the marks that suit it."""
    mark = QUOTES["\n" not in value and '"' not in value]
    return f"{mark}{value}{mark}"


def _reads_back(written: str, value: str) -> bool:
    try:
        return bool(written) and _value(f"{written}\n", 0) == (value, len(written))
    except EOFError:
        return False


def parse(text: str) -> list[Command]:
    """Read a Modelfile. Raises RuntimeFileError, with the line, for what Ollama refuses too."""
    found = list(_commands(text.removeprefix("\ufeff")))
    if not any(command.name == "FROM" for command in found):
        raise RuntimeFileError(
            "The Modelfile has no FROM line.", "Say what the model is made from."
        )
    return found


def _commands(text: str) -> Iterator[Command]:
    at = _after_blank(text, 0)
    while at < len(text):
        at += not text[at].isprintable()  # such as a space that doesn't break; Ollama drops it
        named = NAME.match(text, at)
        name = named[0].upper() if named else ""
        if not named or name not in COMMANDS:
            raise _wrong(text, at, f"a command must be one of {', '.join(COMMANDS)}")
        start, at, key = at, named.end() + 1, ""
        if name in ("PARAMETER", "MESSAGE"):
            keyed = KEY.match(text, at)
            if not keyed or (name == "MESSAGE" and keyed[0] not in ROLES):
                wanted = f"one of {', '.join(ROLES)}" if name == "MESSAGE" else "a parameter's name"
                raise _wrong(text, start, f"behind {name} must stand {wanted}, and a value")
            at, key = keyed.end() + 1, keyed[0]
        try:
            value, at = _value(text, at)
        except EOFError as error:
            raise _wrong(text, start, f"the quotation mark of {name} isn't closed") from error
        yield Command(name, value, key)
        at = _after_blank(text, at)


def _after_blank(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, start: int) -> tuple[str, int]:
    """Return a value and where its last line ends. Raises EOFError for one that isn't closed."""
    at = start
    while True:
        end = LINE_END.search(text, at)
        assert end  # the end of the text is one
        # No line but the first and those that end with a mark closes anything: others aren't read
        # as a whole, as licences have thousands of lines.
        if at == start or _printable(text[at : end.start()]).rstrip().endswith('"'):
            read = _unquoted(_printable(text[start : end.start()]).strip())
            if read is not None:
                return read, end.start()
        if end.start() == len(text):
            raise EOFError
        at = end.end()


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable() or char in "\t\r\n")


def _unquoted(text: str) -> str | None:
    """Return what stands between quotation marks; None where one is open."""
    for mark in QUOTES:
        if text.startswith(mark):
            closed = len(text) >= 2 * len(mark) and text.endswith(mark)
            return text[len(mark) : -len(mark)] if closed else None
    return text


def _wrong(text: str, at: int, why: str) -> RuntimeFileError:
    line = len(re.findall(r"\r\n|\r|\n", text[:at])) + 1
    return RuntimeFileError(f"The Modelfile's line {line} can't be read: {why}.", "Correct it.")
