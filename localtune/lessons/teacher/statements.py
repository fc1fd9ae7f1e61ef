"""sections -> statements: sentences, list items and table rows, with the headings above each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from localtune.lessons.facts import sentences
from localtune.lessons.grounding import content, stems
from localtune.lessons.teacher.sections import HEADING, Section, joined_path

MIN_CELL_SHARE = 0.5  # of an answer's words, from which on a cell that it holds is the answer
ANSWER_WEIGHT = 3  # words shared with the answer against words shared with the question
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(.+)")
_MARKS, _MARKS_WITHIN = re.compile(r"\*\*|__|`"), re.compile(r"(?<=\w)(?:\*\*|__|`)+(?=\w)")
_RULE = re.compile(r":?-*:?")


@dataclass(frozen=True)
class Statement:
    """One statement; `path` is the title and the headings above it.

    `kind` is sentence, item or row. `cells` are a row's (column, value); the first names the row.
    """

    path: str
    kind: str
    text: str
    cells: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> str:
        """Return the path and the statement."""
        return f"{self.path}: {self.text}"

    @cached_property
    def words(self) -> frozenset[str]:
        """Return the words of the statement that mean something."""
        return frozenset(content(self.text))

    @cached_property
    def whole_stems(self) -> frozenset[str]:
        """Return the stems of path and statement."""
        return frozenset(stems(self.whole))


def statements_of(section: Section) -> Iterator[Statement]:
    """Yield the statements of a section in order."""
    headings = dict(enumerate([section.title, *section.headings]))
    for block in re.split(r"\n\s*\n", section.text):
        lines = block.strip().splitlines()
        path = joined_path(headings.values())
        if lines and lines[0].lstrip().startswith("|"):
            yield from _rows(path, lines)
            continue
        prose: list[str] = []
        for line in lines:
            item, heading = _ITEM.fullmatch(line), HEADING.fullmatch(line)
            if item:
                yield Statement(path, "item", _bare(item[1]))
            elif heading:
                level = len(heading[1])
                headings = {i: text for i, text in headings.items() if i < level}
                headings[level] = heading[2].strip()
                path = joined_path(headings.values())
            else:
                prose.append(line)
        for sentence in sentences(" ".join(prose)):
            yield Statement(path, "sentence", _bare(sentence))


def _bare(text: str) -> str:
    """Return a text without marks of emphasis; between two words they become a space."""
    return _MARKS.sub("", _MARKS_WITHIN.sub(" ", text))


def _rows(path: str, lines: list[str]) -> Iterator[Statement]:
    """Yield the rows of a table in Markdown."""
    head, *body = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines
    ]
    for row in body:
        if not all(map(_RULE.fullmatch, row)):
            cells = tuple((h, v) for h, v in zip_longest(head, row, fillvalue="") if h or v)
            yield Statement(path, "row", told(cells), cells)


def told(cells: Iterable[tuple[str, str]]) -> str:
    """Return the cells of a row as a line of "column: value"."""
    return "; ".join(f"{column}: {value}" if column else value for column, value in cells if value)


def stating(statements: Sequence[Statement], question: str, answer: str) -> list[Statement]:
    """Return the statement that an answer is most likely taken from, and a second one if it needs
    words of another.
    """
    asked, said = set(content(question)), set(content(answer))

    def shared(statement: Statement) -> float:
        return ANSWER_WEIGHT * _share(said, statement.words) + _share(asked, statement.words)

    ordered = sorted(statements, key=shared, reverse=True)[:2]
    missing = said.difference(*(statement.words for statement in ordered[:1]))
    needs_second = len(ordered) > 1 and missing & ordered[1].words
    return ordered if needs_second else ordered[:1]


def _share(words: set[str], held: frozenset[str]) -> float:
    return len(words & held) / max(1, len(words))


def cell_fault(statements: Sequence[Statement], question: str, answer: str) -> str:
    """Return why an answer that is the cell of a table does not fit its question, "" if it does.

    The question has to name the row, unless it has words that the table does not know; and it must
    name no other row or column than the answer's.
    """
    rows = [statement for statement in statements if statement.kind == "row"]
    said = set(content(answer))
    places = [(row, i) for row in rows for i in range(1, len(row.cells)) if _is_cell(said, row, i)]
    if not places or any(said <= s.words for s in statements if s.kind != "row"):
        return ""
    asked = stems(question)
    known = set[str]().union(*(row.whole_stems for row in rows))
    named = [(row, i) for row, i in places if asked & _name_of(row, i, rows)]
    if all(_names_other_row(asked, row, rows) for row, _ in places):
        return "asks for another row of the table"
    if not named and asked <= known:
        return "does not name its subject"
    if all(_names_other_column(asked, row, i) for row, i in named or places):
        return "asks for another column of the table"
    return ""


def _is_cell(said: set[str], row: Statement, i: int) -> bool:
    value = set(content(row.cells[i][1]))
    return bool(value) and value <= said and len(value) >= MIN_CELL_SHARE * len(said)


def _name_of(row: Statement, i: int, rows: list[Statement]) -> set[str]:
    """Return the stems of a row's other cells, except those in the header or in every row."""
    held = set[str]().union(*(stems(v) for n, (_, v) in enumerate(row.cells) if n != i))
    header = set[str]().union(*(stems(column) for column, _ in row.cells))
    everywhere = set.intersection(*(stems(other.text) for other in rows))
    return held - header - (everywhere if len(rows) > 1 else set())


def _names_other_row(asked: set[str], row: Statement, rows: list[Statement]) -> bool:
    """Whether a question has all words of another row's name, and not of this one's."""
    if _all_in(stems(row.cells[0][1]), asked):
        return False
    return any(
        _all_in(stems(other.cells[0][1]), asked)
        for other in rows
        if _columns(other) == _columns(row)
    )


def _columns(row: Statement) -> list[str]:
    return [column for column, _ in row.cells]


def _names_other_column(asked: set[str], row: Statement, i: int) -> bool:
    """Whether a question names a column whose value it does not tell, and not the answer's."""
    if _all_in(stems(row.cells[i][0]), asked):
        return False
    return any(
        _all_in(stems(column), asked) and not stems(value) & asked
        for n, (column, value) in enumerate(row.cells)
        if n != i
    )


def _all_in(words: set[str], held: set[str]) -> bool:
    return bool(words) and words <= held
