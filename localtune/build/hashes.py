"""SHA-256 of files and folders, remembered by size and time of change."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from localtune.config.stages import IGNORE
from localtune.links import open_regular
from localtune.workspace import load_json, write_json

ABSENT, UNREAD = "absent", "unread"
PIECE = 1 << 20  # bytes that are read at once


class Hashes:
    """A cache of SHA-256 sums: a file whose size and mtime_ns are known isn't read again.

    `max_bytes` limits what is read in all; UNREAD is the sum of a file that is larger than the
    rest of it.
    """

    def __init__(self, file: Path | None = None, max_bytes: int | None = None) -> None:
        self._file, self._bytes_left = file, max_bytes
        self._known: dict[str, list[int | str]] = _load(file)
        self._changed = False

    def file(self, path: Path, count: Callable[[int], None] | None = None) -> str:
        """Return the SHA-256 of a file in hex, ABSENT where there is no regular file.

        `count` is told of the bytes that are read.
        """
        try:
            status = path.stat()
        except FileNotFoundError:
            return ABSENT
        if not stat.S_ISREG(status.st_mode):
            return ABSENT
        key, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
        known = self._known.get(key)
        if known and known[:2] == stamp:
            return str(known[2])
        if self._bytes_left is not None:
            if status.st_size > self._bytes_left:
                return UNREAD
            self._bytes_left -= status.st_size
        digest = _digest(path, status.st_size, count)
        self._known[key] = [*stamp, digest]
        self._changed = True
        return digest

    def tree(self, folder: Path) -> str:
        """Return one SHA-256 over the names and contents of a folder's files, UNREAD without all.

        Hidden ones and links out of the folder are left aside, but what .localtuneignore says
        counts: it decides which documents there are.
        """
        whole = hashlib.sha256()
        for name, path in sorted(_visible_files(folder)):
            if (digest := self._readable(path)) == UNREAD:
                return UNREAD
            whole.update(os.fsencode(f"{name}\0{digest}\n"))
        return whole.hexdigest()

    def _readable(self, path: Path) -> str:
        try:
            return self.file(path)
        except OSError:
            return "unreadable"

    def save(self) -> None:
        """Write the cache; one that is lost costs time only."""
        if self._file and self._changed:
            kept = {path: row for path, row in self._known.items() if Path(path).exists()}
            write_json(self._file, kept)
            self._changed = False


def _digest(path: Path, size: int, count: Callable[[int], None] | None) -> str:
    """Return the SHA-256 of the first `size` bytes: a file that grows meanwhile may have no end."""
    whole = hashlib.sha256()
    with os.fdopen(open_regular(path), "rb") as data:
        while piece := data.read(min(PIECE, size)):
            size -= len(piece)
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
    """Read the cache; what isn't one counts for nothing."""
    try:
        rows = load_json(file) if file else {}
    except (OSError, ValueError):
        return {}
    entries = rows.items() if isinstance(rows, dict) else ()
    return {path: row for path, row in entries if isinstance(row, list) and len(row) == 3}
