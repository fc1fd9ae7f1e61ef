"""The files of a folder of documents, in a fixed order, each with why it is left out if it is.

Takes a folder, gives `Found` entries. Reads no file; knows nothing of formats but their endings.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localtune.errors import InputError

FORMATS = {
    ".md": "md",
    ".markdown": "md",
    ".txt": "txt",
    ".text": "txt",
    ".html": "html",
    ".htm": "html",
}


@dataclass(frozen=True)
class Found:
    """A file or folder. `status` is "" where it may be read, else "skipped" or "failed"."""

    path: Path
    name: str  # relative to the documents, with "/", always valid Unicode
    format: str = ""
    status: str = ""
    reason: str = ""


def find_files(docs: Path, max_bytes: int) -> Iterator[Found]:
    """Yield every file below `docs`, sorted by name; a folder that is left out is one entry.

    Raises InputError where `docs` isn't a folder that can be listed.
    """
    if not docs.is_dir():
        what = "is a file, not a folder" if docs.exists() else "isn't there"
        raise InputError(f"{docs} {what}.", "Give the folder that your documents lie in.")
    try:
        paths = sorted(docs.iterdir())
    except OSError as error:
        raise InputError(
            f"{docs} can't be opened: {error.strerror}.", "Make the folder readable."
        ) from error
    yield from _below(paths, docs.resolve(), max_bytes)


def _below(paths: list[Path], root: Path, max_bytes: int) -> Iterator[Found]:
    for path in paths:
        found = _look(path, root, max_bytes)
        if found is not None:
            yield found
            continue
        try:
            inside = sorted(path.iterdir())
        except OSError as error:
            yield _left_out(path, root, "failed", error.strerror or "can't be opened")
        else:
            yield from _below(inside, root, max_bytes)


def _look(path: Path, root: Path, max_bytes: int) -> Found | None:
    """Judge one entry by its name and its metadata; None is a folder to look into."""
    if path.name.startswith("."):
        return _left_out(path, root, "skipped", "hidden")
    try:
        if path.is_symlink() and not path.resolve(strict=True).is_relative_to(root):
            return _left_out(path, root, "skipped", "a link out of the folder")
        status = path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or "a loop of links"
        return _left_out(path, root, "failed", reason)
    if stat.S_ISDIR(status.st_mode):
        # Following links to folders could go round in circles, and would only give duplicates.
        linked = _left_out(path, root, "skipped", "a link to a folder")
        return linked if path.is_symlink() else None
    return _judge_file(path, root, status, max_bytes)


def _judge_file(path: Path, root: Path, status: os.stat_result, max_bytes: int) -> Found:
    kind = FORMATS.get(path.suffix.lower(), "")
    if not stat.S_ISREG(status.st_mode):
        return _left_out(path, root, "skipped", "not a regular file")
    if not kind:
        ending = f"the ending {_text(path.suffix)}" if path.suffix else "a name without ending"
        return _left_out(path, root, "skipped", f"{ending} is not one that is read")
    if status.st_size == 0:
        return _left_out(path, root, "skipped", "empty")
    if status.st_size > max_bytes:
        reason = f"larger than --max-file-mb ({max_bytes // 1_000_000})"
        return _left_out(path, root, "skipped", reason)
    return Found(path, _name(path, root), kind)


def _left_out(path: Path, root: Path, status: str, reason: str) -> Found:
    kind = FORMATS.get(path.suffix.lower(), "")
    return Found(path, _name(path, root), kind, status, reason)


def _name(path: Path, root: Path) -> str:
    # The parent is resolved, the last part isn't: a link is listed under its own name.
    return _text((path.parent.resolve() / path.name).relative_to(root).as_posix())


def _text(name: str) -> str:
    """Return a file name as valid Unicode; bytes that are none become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
