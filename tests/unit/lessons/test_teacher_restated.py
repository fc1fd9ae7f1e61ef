"""Texts that restate a section: every statement in each copy, rows by their columns."""

from __future__ import annotations

from collections import Counter

from localtune.lessons.teacher.restated import COPIES, STATEMENTS_PER_TEXT, restated
from localtune.lessons.teacher.sections import sections_of

TEXT = """\
The shop opens at nine. The key hangs behind the door.

| Card | Photos | Price |
| --- | --- | --- |
| Small | 900 | 12 euros |
| Large | 7,200 | 48 euros |

## Care

""" + " ".join(f"Rule {n} holds on deck {n}." for n in range(8))


def texts() -> list[str]:
    row = {"id": "p", "document": "a.md", "title": "Guide", "headings": [], "text": TEXT}
    return [lesson["text"] for section in sections_of([row]) for lesson in restated(section, 7)]


def test_every_statement_stands_once_in_each_copy() -> None:
    lines = Counter(line for text in texts() for line in text.splitlines()[2:])
    assert lines["The key hangs behind the door."] == COPIES
    assert lines["Rule 3 holds on deck 3."] == COPIES
    cells = Counter(frozenset(line.split("; ")) for line in lines.elements() if "; " in line)
    assert cells[frozenset(("Card: Large", "Photos: 7,200", "Price: 48 euros"))] == COPIES


def test_a_text_begins_with_its_path_and_has_few_statements() -> None:
    for text in texts():
        path, empty, *lines = text.splitlines()
        assert path.startswith("Guide") and not empty and 0 < len(lines) <= STATEMENTS_PER_TEXT
        assert ("Care" in path) == lines[0].startswith("Rule")


def test_copies_differ_in_order_and_are_the_same_again() -> None:
    assert texts() == texts()
    assert len(set(texts())) > len(texts()) / COPIES
    rows = [line for text in texts() for line in text.splitlines() if "Large" in line]
    assert len(set(rows)) > 1
