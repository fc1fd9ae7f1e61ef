"""The sections that a question is most likely answered by: BM25 of SQLite's FTS5, in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from localtune.lessons.similarity import words
from localtune.lessons.teacher.sections import Section


class Search:
    """An index over sections; used by one thread."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections
        self._table = sqlite3.connect(":memory:")
        self._table.execute(
            "CREATE VIRTUAL TABLE sections USING fts5(text, tokenize='porter unicode61')"
        )
        rows = ((i, section.whole) for i, section in enumerate(sections))
        self._table.executemany("INSERT INTO sections(rowid, text) VALUES (?, ?)", rows)

    def best(self, question: str, number: int) -> list[Section]:
        """Return at most `number` sections that share words with a question, the best first."""
        wanted = " OR ".join(f'"{word}"' for word in words(question))
        if not wanted:
            return []
        found = self._table.execute(
            "SELECT rowid FROM sections WHERE sections MATCH ? ORDER BY bm25(sections) LIMIT ?",
            (wanted, number),
        )
        return [self._sections[i] for (i,) in found]
