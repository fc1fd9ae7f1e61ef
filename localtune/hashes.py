"""SHA-256 of files and folders, remembered by size and time of change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from localtune.config import IGNORE
from localtune.workspace import write_json

ABSENT = "absent"
PIECE = 1 << 20  # bytes that are read at once


class Hashes:
    """A cache of SHA-256 sums: a file whose size and mtime_ns are known isn't read again."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, list[int | str]] = _load(file)
        self._changed = False

    def file(self, path: Path, count: Callable[[int], None] | None = None) -> str:
        """Return the SHA-256 of a file in hex, ABSENT where there is none.

        `count` is told of the bytes that are read.
        """
        try:
            stat = path.stat()
        except FileNotFoundError:
            return ABSENT
        key, stamp = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(key)
        if known and known[:2] == stamp:
            return str(known[2])
        digest = _digest(path, count)
        self._known[key] = [*stamp, digest]
        self._changed = True
        return digest

    def tree(self, folder: Path) -> str:
        """Return one SHA-256 over the names and contents of a folder's files.

        Hidden ones and links out of the folder are left aside, but what .localtuneignore says
        counts: it decides which documents there are.
        """
        whole = hashlib.sha256()
        for name, path in sorted(_visible_files(folder)):
            whole.update(f"{name}\0{self._readable(path)}\n".encode())
        return whole.hexdigest()

    def _readable(self, path: Path) -> str:
        try:
            return self.file(path)
        except PermissionError:
            return "unreadable"

    def save(self) -> None:
        """Write the cache; one that is lost costs time only."""
        if self._file and self._changed:
            kept = {path: row for path, row in self._known.items() if Path(path).exists()}
            write_json(self._file, kept)
            self._changed = False


def _digest(path: Path, count: Callable[[int], None] | None) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as data:
        while piece := data.read(PIECE):
            whole.update(piece)
            if count:
                count(len(piece))
    return whole.hexdigest()


def _visible_files(folder: Path) -> Iterator[tuple[str, Path]]:
    root = folder.resolve()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        *above, last = name.split("/")
        hidden = any(part.startswith(".") for part in above)
        if hidden or (last.startswith(".") and last != IGNORE) or not path.is_file():
            continue
        if not path.is_symlink() or path.resolve().is_relative_to(root):
            yield name, path


def _load(file: Path | None) -> dict[str, list[int | str]]:
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
