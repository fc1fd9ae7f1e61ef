"""What was read of each file, kept beside the build: a file that didn't change isn't read again.

One JSON object a line; each is added as soon as a file is read, so that a stopped build goes on.
It holds the documents' text as it was, private data included, and is readable by its owner only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from localtune.links import open_in_place
from localtune.workspace import PRIVATE_FILE, atomic_path

Reading = dict[str, Any]


def key_of(*parts: object) -> str:
    """Return the name of a reading: of all that it depends on."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


class Readings:
    """The readings kept in a file; without a file nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._added = file, False
        self._known = _load(file) if file else {}
        self._out: TextIO | None = None

    def __enter__(self) -> Readings:
        if self._file:
            number = open_in_place(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            self._out = os.fdopen(number, "a+", encoding="utf-8")
            size = os.fstat(number).st_size
            if size and os.pread(number, 1, size - 1) != b"\n":
                self._out.write("\n")  # a line that a kill cut short must not swallow the next
        return self

    def __exit__(self, *_: object) -> None:
        if self._out:
            self._out.close()

    def get(self, key: str) -> Reading | None:
        """Return the reading of that name, if there is one."""
        return self._known.get(key)

    def add(self, key: str, reading: Reading) -> None:
        """Keep a reading."""
        self._known[key] = reading
        if self._out:
            self._out.write(json.dumps([key, reading]) + "\n")
            self._out.flush()
            self._added = True

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget the readings of files that are no longer there; write the others in this order."""
        kept = dict.fromkeys(keys)
        if self._file and (self._added or list(kept) != list(self._known)):
            with atomic_path(self._file) as temporary:
                temporary.touch(PRIVATE_FILE)
                with temporary.open("w", encoding="utf-8") as out:
                    rows = ([key, self._known[key]] for key in kept if key in self._known)
                    out.writelines(json.dumps(row) + "\n" for row in rows)


def _load(file: Path) -> dict[str, Reading]:
    """Read what is there; a line that was cut short by a kill is left out."""
    known: dict[str, Reading] = {}
    if file.exists():
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    key, reading = json.loads(line)
                except (ValueError, TypeError):
                    continue
                known[key] = reading
    return known
