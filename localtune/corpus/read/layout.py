"""Placed words of a PDF's pages -> Markdown: headings by size, paragraphs, lists, tables.

A PDF says where each word stands, not what it is part of. What stands in columns is a table; what
is larger than the body, or bold and alone, is a heading; the rest is prose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from localtune.corpus.read.pdf import Line, Word

GAP = 1.0  # sizes of white from which words are in different columns
LARGER = 1.12  # times the body's size: a heading
HEADING = 15  # words in a heading, at most
PROSE = 30  # letters in a line from which it is prose, not a cell
_MARK = re.compile(r"^(?:[•◦▪●○■□–*·\uf0b7-]|\(?(?:\d{1,3}|[a-zA-Z])[.)]|\d{1,2}(?:\.\d{1,2})*)$")
_BULLET = re.compile(r"^[•◦▪●○■□·\uf0b7]\s*")
_RULE = re.compile(r"[-=_*.\s]{3,}")
_NUMBER = re.compile(r"^\(?(?:\d{1,3}|[a-z])[.)]\s")


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand together on one line."""

    text: str
    left: float
    right: float
    bottom: float
    size: float
    bold: bool


Row = list[Cell]


def to_markdown(pages: list[list[Line]]) -> list[str]:
    """Return the Markdown of each page; sizes and levels of headings are those of all pages."""
    cells = [[cell for line in page for cell in _cells(line)] for page in pages]
    style = _Style([cell for page in cells for cell in page])
    return ["\n\n".join(_blocks(_rows(page), style)) for page in cells]


def _cells(line: Line) -> list[Cell]:
    """Cut a line where the white between two words is wider than in any prose."""
    parts: list[list[Word]] = [[line.words[0]]]
    for before, word in zip(line.words, line.words[1:], strict=False):
        if word.left - before.right > GAP * word.size:
            parts.append([])
        parts[-1].append(word)
    # The mark of a list, or the number of a heading, stands apart from its text.
    if len(parts) == 2 and len(parts[0]) == 1 and _MARK.match(parts[0][0].text):
        parts = [[*parts[0], *parts[1]]]
    return [_cell(words, line.bold) for words in parts]


def _cell(words: list[Word], bold: bool) -> Cell:
    text = " ".join(word.text for word in words)
    first = words[0]
    return Cell(text, first.left, words[-1].right, first.bottom, max(first.size, 1.0), bold)


def _rows(cells: list[Cell]) -> list[Row]:
    """Put cells of one baseline into a row, from the top down; columns of prose stay in order."""
    if _has_columns(cells):
        return [[cell] for cell in cells]
    rows: list[Row] = []
    for cell in sorted(cells, key=lambda cell: -cell.bottom):
        if rows and abs(rows[-1][0].bottom - cell.bottom) < 0.5 * cell.size:
            rows[-1].append(cell)
        else:
            rows.append([cell])
    return [sorted(row, key=lambda cell: cell.left) for row in rows]


def _has_columns(cells: list[Cell]) -> bool:
    """Whether long lines stand side by side: a page set in columns, as papers are."""
    long = sorted((c for c in cells if len(c.text) >= PROSE), key=lambda c: -c.bottom)
    beside = sum(
        abs(a.bottom - b.bottom) < a.size and (a.right < b.left or b.right < a.left)
        for a, b in pairwise(long)
    )
    return beside >= max(4, 0.2 * len(long))


class _Style:
    """What the sizes of letters mean in one document."""

    def __init__(self, cells: list[Cell]) -> None:
        sizes, bold = Counter[float](), Counter[bool]()
        for cell in cells:
            sizes[_rounded(cell.size)] += len(cell.text)
            bold[cell.bold] += len(cell.text)
        self.body = sizes.most_common(1)[0][0] if sizes else 10.0
        self.bold_is_rare = bold[True] < 0.4 * bold.total()
        self._larger = sorted((s for s in sizes if s >= LARGER * self.body), reverse=True)

    def level(self, row: Row) -> int:
        """Return the level of a row that is a heading, 0 where it is none."""
        cell = row[0]
        words = cell.text.split()
        letters = sum(letter.isalpha() for letter in cell.text)
        if len(row) > 1 or len(words) > HEADING or letters < 3 or _BULLET.match(cell.text):
            return 0
        size = _rounded(cell.size)
        if size in self._larger:
            return min(self._larger.index(size) + 1, 5)
        alone = cell.bold and self.bold_is_rare and cell.text[-1] not in ".,;"
        return min(len(self._larger) + 1, 6) if alone and size >= 0.95 * self.body else 0


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _blocks(rows: list[Row], style: _Style) -> Iterator[str]:
    """Yield headings, tables and paragraphs in the order of the rows."""
    i = 0
    while i < len(rows):
        end = _table_end(rows, i, style)
        table = _table(rows[i:end]) if end - i > 1 else ""
        if table:
            yield table
            i = end
            continue
        level = style.level(rows[i])
        end = i + 1
        while end < len(rows) and _goes_on(rows, end, level, style):
            end += 1
        for part in [rows[i:end]] if level else _paragraphs(rows[i:end], _edge(rows, i)):
            yield from _written([_joined(row) for row in part], level)
        i = end


def _edge(rows: list[Row], i: int) -> float:
    """Return how far to the right the lines go that begin where row i begins."""
    first = rows[i][0]
    return max(r[-1].right for r in rows if abs(r[0].left - first.left) < 3 * first.size)


def _paragraphs(rows: list[Row], edge: float) -> list[list[Row]]:
    """Cut where a line was ended on purpose: the next line's first word had room on it."""
    parts = [[rows[0]]]
    for above, row in pairwise(rows):
        first = row[0].text.split()[0]
        width = (row[0].right - row[0].left) * (len(first) + 1) / len(row[0].text)
        if above[-1].right + width < edge and not above[-1].text.endswith("-"):
            parts.append([])
        parts[-1].append(row)
    return parts


def _goes_on(rows: list[Row], i: int, level: int, style: _Style) -> bool:
    """Whether row i belongs to the block of the row above it."""
    above, cell = rows[i - 1][0], rows[i][0]
    if style.level(rows[i]) != level or _starts_item(cell.text) or len(rows[i]) > 1:
        return False
    near = (1.35 if level else 1.7) * max(cell.size, above.size)
    return 0 < above.bottom - cell.bottom < near and abs(cell.size - above.size) < 1.0


def _starts_item(text: str) -> bool:
    return bool(_BULLET.match(text) or _NUMBER.match(text))


def _joined(row: Row) -> str:
    return "  ".join(cell.text for cell in row)


def _written(lines: list[str], level: int) -> Iterator[str]:
    if level and len(lines) < 3:  # more lines in large letters are no heading, but a notice
        yield "#" * level + " " + " ".join(lines)
        return
    prose = [_BULLET.sub("- ", line) for line in lines if not _RULE.fullmatch(line)]
    if prose:
        # A line of prose must not become a heading or a quotation of Markdown.
        yield re.sub(r"^(?=[#>])", r"\\", "\n".join(prose), flags=re.M)


def _table_end(rows: list[Row], begin: int, style: _Style) -> int:
    """Return where the table that begins at a row ends; begin where none does."""
    if len(rows[begin]) < 2:
        return begin
    end = last = begin + 1
    while end < len(rows) and _is_near(rows[end - 1], rows[end]):
        if len(rows[end]) > 1:
            last = end + 1
        elif end - last >= 2 or len(rows[end][0].text) > 2 * PROSE or style.level(rows[end]):
            break
        end += 1
    return last


def _is_near(above: Row, row: Row) -> bool:
    return above[0].bottom - row[0].bottom < 3.2 * max(row[0].size, above[0].size)


def _table(rows: list[Row]) -> str:
    """Return a pipe table, "" where the cells stand in no columns."""
    columns = _columns(rows)
    if len(columns) < 2 or len(rows) < 2 or _is_prose(rows):
        return ""
    filled = [_filled(row, columns) for row in _unwrapped(rows)]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in filled]
    return "\n".join([lines[0], "|" + " --- |" * len(columns), *lines[1:]])


def _is_prose(rows: list[Row]) -> bool:
    return median(len(cell.text) for row in rows for cell in row) > 2 * PROSE


def _columns(rows: list[Row]) -> list[tuple[float, float]]:
    """Return where columns begin and end; first from the fullest rows, then from the others."""
    columns: list[tuple[float, float]] = []
    for row in sorted(rows, key=len, reverse=True):
        for cell in row:
            met = [c for c in columns if c[0] < cell.right and cell.left < c[1]]
            if len(met) < 2:
                columns = [c for c in columns if c not in met]
                bounds = [*met, (cell.left, cell.right)]
                columns.append((min(b[0] for b in bounds), max(b[1] for b in bounds)))
    return sorted(columns)


def _unwrapped(rows: list[Row]) -> list[Row]:
    """Join the lines of cells that are wrapped: they stand closer than rows do."""
    gaps = [a[0].bottom - b[0].bottom for a, b in pairwise(rows)]
    usual = median(gaps)
    joined = [rows[0]]
    for row, gap in zip(rows[1:], gaps, strict=True):
        wrapped = gap < 0.75 * usual and len(row) < len(joined[-1])
        joined[-1:] = [joined[-1] + row] if wrapped else [joined[-1], row]
    return joined


def _filled(row: Row, columns: list[tuple[float, float]]) -> list[str]:
    cells = [""] * len(columns)
    for cell in row:
        overlaps = [min(cell.right, end) - max(cell.left, begin) for begin, end in columns]
        place = overlaps.index(max(overlaps))
        cells[place] = f"{cells[place]} {cell.text}".strip()
    return cells
