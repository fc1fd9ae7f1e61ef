"""sections -> texts that restate them: statements with their headings, in several orders.

A table's row names its columns and tells its cells in any order. What a model has read in one order
only it cannot tell the other way round (Berglund et al. 2023, arXiv:2309.12288).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from random import Random
from typing import Any

from localtune.lessons.facts import id_of
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.statements import Statement, statements_of, told

COPIES = 2  # of a section: one in its own order, the other permuted
STATEMENTS_PER_TEXT = 5


def restated(section: Section, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the lessons that restate a section; "text" is a path and some statements under it."""
    for copy in range(COPIES):
        r = Random(f"{seed} {section.id} {copy}")
        for path, under in groupby(statements_of(section), lambda statement: statement.path):
            lines = [_told(statement, r) if copy else statement.text for statement in under]
            if copy:
                r.shuffle(lines)
            for i in range(0, len(lines), STATEMENTS_PER_TEXT):
                text = f"{path}\n\n" + "\n".join(lines[i : i + STATEMENTS_PER_TEXT])
                key = id_of(section.id, path, f"{copy} {i}")
                yield {"id": key, "kind": "text", "document": section.document, "text": text}


def _told(statement: Statement, r: Random) -> str:
    """Return the text of a statement, that of a row with its cells in another order."""
    return (
        told(r.sample(statement.cells, len(statement.cells))) if statement.cells else statement.text
    )
