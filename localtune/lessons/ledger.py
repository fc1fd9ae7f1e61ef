"""What a writer made of each passage, an object a line: kept as soon as it is made.

A line's key is the sum of all that it was made from, so that a stop costs the passages in flight,
and a changed document its own. Every line is on the disk (fsync) before the next is begun; a last
line that was torn is cut off, and its passage done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localtune.links import open_in_place
from localtune.workspace import no_room_is_an_error, write_jsonl

Row = dict[str, Any]


def key_of(passage: Row, *made_by: str) -> str:
    """Return the key of what a writer makes of a passage: its words, and what else matters."""
    said = [passage["title"], passage.get("headings", []), passage["text"], *made_by]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


class Ledger:
    """A ledger's rows by key; `add` keeps another one."""

    def __init__(self, file: Path) -> None:
        """Read a file that a killed process may have left, and mend its end."""
        self._file = file
        self.rows = _read(file)
        self._used: set[str] = set()

    def add(self, key: str, row: Row) -> None:
        """Keep a row, on the disk. Raises DiskFullError, and leaves the ledger as it was."""
        line = (json.dumps({"key": key, **row}, ensure_ascii=False) + "\n").encode()
        with no_room_is_an_error(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            number = open_in_place(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with os.fdopen(number, "ab") as out:
                size = out.tell()
                try:
                    out.write(line)
                    out.flush()
                    os.fsync(number)
                except OSError:
                    os.ftruncate(number, size)
                    raise
        self.rows[key] = row

    def use(self, keys: Iterable[str]) -> None:
        """Mark rows as current, for `keep_used`."""
        self._used.update(keys)

    def keep_used(self) -> None:
        """Forget all rows that were not marked as current."""
        self.keep(self._used)

    def keep(self, keys: Iterable[str]) -> None:
        """Forget all other rows: what a document said goes with the document."""
        wanted = {key: self.rows[key] for key in keys if key in self.rows}
        if len(wanted) < len(self.rows):
            write_jsonl(self._file, ({"key": key, **row} for key, row in wanted.items()))
            self.rows = wanted


def _read(file: Path) -> dict[str, Row]:
    """Return the whole lines; cut off what stands behind the last of them."""
    if not file.exists():
        return {}
    data = file.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with os.fdopen(open_in_place(file, os.O_WRONLY), "wb") as out:
            out.truncate(whole)
    rows: dict[str, Row] = {}
    for line in data[:whole].splitlines():
        try:
            row = json.loads(line)
            rows[row.pop("key")] = row
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # damaged; its passage is done again
    return rows
