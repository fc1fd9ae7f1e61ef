"""passages -> sections of about 1,100 characters: what a request shows to the writer.

Small writers miss most of a longer text. A section has the title and the headings above it; a table
stays whole, or repeats its header in each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localtune.lessons.facts import id_of, sentences

SECTION_CHARACTERS = 1100
TABLE_CHARACTERS = 2200  # a longer table is divided between its rows
MIN_CHARACTERS = 700  # from which on a heading begins a new section
_FENCE = re.compile(r"\s*(?:```|~~~)")
HEADING = re.compile(r"(#{1,6})\s+(.+)")


@dataclass(frozen=True)
class Section:
    """A part of a passage; `headings` are those above its first line."""

    id: str
    document: str
    passage: str
    title: str
    headings: tuple[str, ...]
    text: str

    @property
    def path(self) -> str:
        """Return title and headings in one line."""
        return joined_path([self.title, *self.headings])

    @property
    def whole(self) -> str:
        """Return the path and the text: what an answer may be taken from."""
        return f"{self.path}\n\n{self.text}"


def joined_path(names: Iterable[str]) -> str:
    """Return a title and the headings below it in one line, each name once."""
    return " > ".join(dict.fromkeys(names))


def sections_of(passages: Iterable[dict[str, Any]]) -> list[Section]:
    """Return the sections of all passages in order, each text once."""
    found: dict[str, Section] = {}
    for passage in passages:
        for headings, text in _divided(passage["text"], tuple(passage.get("headings", ()))):
            document, title = passage["document"], passage["title"]
            key = id_of(document, title, *headings, text)
            found.setdefault(key, Section(key, document, passage["id"], title, headings, text))
    return list(found.values())


def _divided(text: str, headings: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (headings above, text) of each section."""
    path = dict(enumerate(headings, 1))
    taken: list[str] = []
    above = headings
    for block in _blocks(text):
        heading = HEADING.fullmatch(block)
        size = sum(map(len, taken))
        begins = size + len(block) > SECTION_CHARACTERS or (heading and size > MIN_CHARACTERS)
        if begins and any(not HEADING.fullmatch(part) for part in taken):
            kept = _without_last_headings(taken)
            yield above, "\n\n".join(kept)
            taken = taken[len(kept) :]
            above = tuple(name for level, name in sorted(path.items()) if level < _level(taken))
        if heading:
            level = len(heading[1])
            path = {n: name for n, name in path.items() if n < level} | {level: heading[2].strip()}
        if not taken and not heading:
            above = tuple(path[level] for level in sorted(path))
        elif not taken:
            above = tuple(path[level] for level in sorted(path) if level < len(heading[1]))  # type: ignore[index]
        taken.append(block)
    if any(not HEADING.fullmatch(part) for part in taken):
        yield above, "\n\n".join(taken)


def _level(taken: list[str]) -> int:
    """Return the level of the heading that a section begins with, 7 where it begins without."""
    heading = HEADING.fullmatch(taken[0]) if taken else None
    return len(heading[1]) if heading else 7


def _without_last_headings(taken: list[str]) -> list[str]:
    end = len(taken)
    while end and HEADING.fullmatch(taken[end - 1]):
        end -= 1
    return taken[:end]


def _blocks(text: str) -> Iterator[str]:
    """Yield headings, tables and paragraphs, none too long."""
    lines: list[str] = []
    fenced = False  # within a block of code, where "# …" is a comment
    for line in [*text.splitlines(), ""]:
        fenced ^= bool(_FENCE.match(line))
        heading = not fenced and HEADING.fullmatch(line.strip())
        if heading or not line.strip():
            yield from _short("\n".join(lines))
            lines = []
        if heading:
            yield line.strip()
        elif line.strip():
            lines.append(line)


def _short(block: str) -> Iterator[str]:
    """Yield a block in parts: a table between rows, lists between items, text between sentences."""
    if not block.strip():
        return
    lines = block.splitlines()
    if block.lstrip().startswith("|") and len(lines) > 2:
        head, rows = "\n".join(lines[:2]) + "\n", lines[2:]
        yield from (head + part for part in _grouped(rows, "\n", TABLE_CHARACTERS))
    elif len(lines) > 1:
        yield from _grouped(lines, "\n", SECTION_CHARACTERS)
    else:
        yield from _grouped(sentences(block), " ", SECTION_CHARACTERS)


def _grouped(parts: list[str], between: str, most: int) -> Iterator[str]:
    group: list[str] = []
    for part in parts:
        if group and sum(map(len, group)) + len(part) > most:
            yield between.join(group)
            group = []
        group.append(part)
    if group:
        yield between.join(group)
