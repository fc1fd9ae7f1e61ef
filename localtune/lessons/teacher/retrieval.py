"""The texts that a question is most likely answered by: BM25 of SQLite's FTS5, in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from localtune.lessons.similarity import words


class Search:
    """An index over texts; used by one thread."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._table = sqlite3.connect(":memory:")
        self._table.execute(
            "CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')"
        )
        self._table.executemany("INSERT INTO texts(rowid, text) VALUES (?, ?)", enumerate(texts))

    def best(self, question: str, number: int) -> list[int]:
        """Return the numbers of the texts that share most words with a question, the best first."""
        wanted = " OR ".join(f'"{word}"' for word in words(question))
        if not wanted:
            return []
        found = self._table.execute(
            "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY bm25(texts) LIMIT ?",
            (wanted, number),
        )
        return [i for (i,) in found]
