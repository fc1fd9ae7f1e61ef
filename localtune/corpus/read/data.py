"""Tables and data files -> Markdown: CSV as a table, JSON as readable text, others as code."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from localtune.errors import UnreadableError

_DELIMITERS = ",;\t|"
_DEEPEST = 100  # levels of JSON; deeper ones are made to break readers
_CELLS = 5_000_000  # of a table: one wide row among many short ones fills any memory
_PROSE = 60  # characters from which a text in JSON is a paragraph of its own


def csv_to_markdown(text: str) -> str:
    """Return a table of rows; the first row is its head. Raises UnreadableError."""
    rows = [[_cell(cell) for cell in row] for row in _rows(text)]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if width == 0:
        return ""
    if len(rows) * width > _CELLS:
        raise UnreadableError(f"a table of {len(rows):,} rows and {width:,} columns")
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _rows(text: str) -> list[list[str]]:
    csv.field_size_limit(10_000_000)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise UnreadableError(f"not a CSV table: {error}") from error


def _delimiter(text: str) -> str:
    """Choose the delimiter that cuts the first lines into the most equal number of cells."""
    lines = text[:20_000].splitlines()[:20]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        common = max(counts, key=counts.count, default=1)
        return (counts.count(common) if common > 1 else 0, common)

    return max(_DELIMITERS, key=evenness)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def json_to_markdown(text: str) -> str:
    """Return what a JSON value says: keys as labels, texts as paragraphs. UnreadableError."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise UnreadableError("nested too deeply") from error
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from error
    return "\n".join(_told(value, "", 0)).strip()


def _told(value: Any, label: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise UnreadableError("nested too deeply")
    if isinstance(value, dict):
        yield from [f"\n{label}:\n"] if label else []
        for key, inside in value.items():
            yield from _told(inside, str(key), depth + 1)
    elif isinstance(value, list):
        yield from _listed(value, label, depth)
    elif value is not None and value != "":
        yield from _scalar(value, label)


def _listed(values: list[Any], label: str, depth: int) -> Iterator[str]:
    if all(not isinstance(value, dict | list) for value in values):
        joined = ", ".join(_shown(value) for value in values)
        yield from _scalar(joined, label) if joined else []
        return
    for value in values:  # records: a blank line between them
        yield ""
        yield from _told(value, label, depth + 1)


def _scalar(value: Any, label: str) -> Iterator[str]:
    text = _shown(value)
    if isinstance(value, str) and len(text) >= _PROSE and re.search(r"[.!?]", text):
        yield f"\n{text}\n"
    else:
        yield f"- {label}: {text}" if label else f"- {text}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value)


def fenced(text: str, language: str = "") -> str:
    """Return a text as a code block; the fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.strip(chr(10))}\n{marks}"
