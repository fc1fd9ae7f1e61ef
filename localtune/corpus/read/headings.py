"""Plain text -> Markdown: lines that can only be headings become headings. When in doubt, not."""

from __future__ import annotations

import itertools
import re
import textwrap

_UNDERLINE = re.compile(r"(={3,}|-{3,})\s*")
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+([A-Z][^.!?:;,]*)")
_LIST = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_WORDS = 10  # longest heading


def text_to_markdown(text: str) -> str:
    """Mark headings: underlined lines, lines in capitals, numbered ones, each standing alone."""
    lines = [_unindented(line) for line in textwrap.dedent(text.expandtabs(4)).splitlines()]
    out: list[str] = []
    first = next((i for i, line in enumerate(lines) if line), -1)
    i = 0
    while i < len(lines):
        alone = not out or not out[-1]
        depth, used = _heading(lines, i, alone, i == first)
        if depth:
            out += ["#" * depth + " " + lines[i].strip(), ""]
        else:
            out += _kept(lines[i], out)
        i += max(used, 1)
    return "\n".join(out)


def _heading(lines: list[str], i: int, alone: bool, first: bool) -> tuple[int, int]:
    """Return (depth, lines used) of the heading that begins at line i; depth 0 is none."""
    line = lines[i].strip()
    following = lines[i + 1] if i + 1 < len(lines) else ""
    if not alone or not line or len(line.split()) > _WORDS:
        return 0, 1
    ruled = _UNDERLINE.fullmatch(following)
    if ruled and not _LIST.match(line):
        return (1 if ruled[1][0] == "=" else 2), 2
    if following or not any(lines[i + 1 :]):
        return 0, 1
    depth = _numbered(lines, i) or _capitals(line, first) or _title(line, first)
    return depth or _above_prose(line, lines[i + 1 :]), 1


def _capitals(line: str, first: bool) -> int:
    letters = sum(letter.isalpha() for letter in line)
    sure = line.isupper() and letters >= 4 and line[-1] not in ".,;" and not _LIST.match(line)
    return (1 if first else 2) if sure else 0


def _title(line: str, first: bool) -> int:
    """A short first line without a full stop, alone above the text."""
    sure = first and line[0].isupper() and line[-1].isalnum() and "  " not in line
    return 1 if sure else 0


def _above_prose(line: str, rest: list[str]) -> int:
    """A short line without punctuation above a paragraph of whole sentences: "Lammas Fair"."""
    below = " ".join(itertools.takewhile(bool, itertools.dropwhile(lambda text: not text, rest)))
    prose = len(below.split()) >= 2 * _WORDS and below[-1] in ".!?"
    bare = line[0].isupper() and not re.search(r"[^\w\s'&/-]", line) and not _LIST.match(line)
    return 2 if prose and bare else 0


def _numbered(lines: list[str], i: int) -> int:
    """Return the depth of "2.1 Parking": one with text, not another number, below it."""
    found = _NUMBERED.fullmatch(lines[i].strip())
    below = next((line for line in lines[i + 1 :] if line), "")
    if not found or len(found[2].split()) > _WORDS or not below or "  " in found[2]:
        return 0
    if "." not in found[1] and re.match(r"\d{1,2}[.)]?\s", below):
        return 0  # the next number of a list
    return min(found[1].count(".") + 2, 6)


def _kept(line: str, before: list[str]) -> list[str]:
    # A rule under several lines of prose would make all of them a Markdown heading.
    if _UNDERLINE.fullmatch(line) and before and before[-1]:
        return ["", line]
    return [line]


def _unindented(line: str) -> str:
    """Drop the indentation that Markdown would read as code; a list keeps its own."""
    line = line.rstrip()
    return line if _LIST.match(line) else line.lstrip()
