"""Source code -> Markdown: what its comments and docstrings say, under the names they explain.

Pygments cuts the code into tokens; nothing is run or imported.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Any

_DEFINES = re.compile(
    r"\b(?:def|class|func|function|fn|interface|struct|enum|trait|impl|type)\s+"
    r"(?:\([^()\n]{0,200}\)\s*)?([\w$]+)"  # Go names the receiver first
    r"|^\s*([\w-]+)\s*\(\)\s*\{"  # shell
    r"|\b(?:create|CREATE)\s+(?:[A-Za-z]+\s+){1,4}([\w.\"]+)"  # SQL
)
_QUOTES = re.compile(r"^[rRuU]?(\"\"\"|'''|\"|')(.*)\1$", re.S)
_MARKS = re.compile(
    r"^[ \t]*(?:/\*+!?|\*+/|\*(?![*/])|//+!?|#+!?|--+|;+|%+)[ \t]?|[ \t]*\*+/$", re.M
)
_FOR_TOOLS = re.compile(
    r"^\s*(?:#!|#\s*-\*-|(?:#|//|/\*)\s*(?:noqa|type:|pylint|eslint|nolint|pragma|fmt:|ruff:|mypy:"
    r"|coding[:=]|region|endregion|@ts-)).*$",
    re.M,
)
_LANGUAGES = {".pl": "perl", ".r": "r", ".m": "objective-c"}  # where Pygments means another
_LONGEST = 2000  # characters of a line that are looked at; longer ones a program has written


@dataclass
class _Line:
    """One line of code: its comments, the name it defines, and the code on it."""

    comments: list[str] = field(default_factory=list)
    doc: str = ""
    name: str = ""
    code: str = ""


def code_to_markdown(text: str, filename: str) -> str:
    """Return the comments and docstrings of a source file, each under its function or class."""
    told: list[tuple[str, str, str]] = []  # name, definition, what is said
    above: list[str] = []
    name = definition = ""
    for line in _lines(text, filename):
        if line.name:
            name, definition = line.name, line.code.strip()[:200]
        if line.code.strip().startswith(("@", "#[")) and not line.name:
            above += line.comments  # a decorator: the definition is still to come
        elif line.code or line.doc or not line.comments:
            said = [line.doc] if line.doc else [*above, *line.comments]
            told += [(name, definition, part) for part in [_plain(said)] if part]
            above = above if line.doc else []
        else:
            above += line.comments
    told += [(name, definition, part) for part in [_plain(above)] if part]
    return "\n\n".join(_written(told))


def _lines(text: str, filename: str) -> Iterator[_Line]:
    """Yield what each line holds; a comment over many lines is one line."""
    text = "\n".join(part for part in text.split("\n") if len(part) <= _LONGEST)
    line, code = _Line(), ":"  # the last code seen: a docstring follows a colon, or nothing
    for token, value in _lexer(PurePath(filename).suffix.lower()).get_tokens(text):
        kind = _name_of(token)
        quoted = _QUOTES.match(value) if kind.endswith("String.Doc") else None
        if quoted and not line.code and code.endswith(":"):
            line.doc = quoted[2]
        elif ("Comment" in kind and "Preproc" not in kind) or value.startswith(("///", "//!")):
            line.comments.append(value.rstrip("\n"))
        else:
            line.code += value.strip("\n") if value.strip() or line.code else ""
            if kind.endswith(("Name.Function", "Name.Class")) and not line.name:
                line.name = value
        if value.endswith("\n"):
            code = line.code.strip() or code
            yield _named(line)
            yield from (_Line() for _ in range(value.count("\n") - 1))
            line = _Line()
    yield _named(line)


@cache
def _name_of(token: Any) -> str:
    return str(token)


def _named(line: _Line) -> _Line:
    """Trust a definition's keyword before what Pygments takes for a name."""
    found = _DEFINES.search(line.code)
    line.name = next(filter(None, found.groups()), "") if found else line.name
    return line


@cache
def _lexer(ending: str) -> Any:
    from pygments.lexers import get_lexer_by_name, get_lexer_for_filename

    if ending in _LANGUAGES:
        return get_lexer_by_name(_LANGUAGES[ending], stripnl=False, ensurenl=True)
    return get_lexer_for_filename(f"x{ending}", stripnl=False, ensurenl=True)


def _plain(said: list[str]) -> str:
    """Return comments without their marks; "" where there is nothing to read in them."""
    text = _MARKS.sub("", "\n".join(_FOR_TOOLS.sub("", part) for part in said))
    text = textwrap.dedent(text).strip()
    first, _, rest = text.partition("\n")
    text = f"{first}\n{textwrap.dedent(rest)}".strip()
    return text if len(re.findall(r"[^\W\d_]{2,}", text)) > 1 else ""


def _written(told: list[tuple[str, str, str]]) -> Iterator[str]:
    before = ""
    for name, definition, said in told:
        if name != before:
            yield f"## {name}\n\n`{definition.replace('`', '')}`"
        before = name
        yield said
