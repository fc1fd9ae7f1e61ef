"""The files of a folder of documents, in a fixed order, each with why it is left out if it is.

Takes a folder, gives `Found` entries. Opens no file but .localtuneignore; knows nothing of formats
but their endings.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from localtune.config.stages import IGNORE
from localtune.corpus.read.ignore import MAX_PATTERN_CHARS, Pattern, parse
from localtune.errors import InputError
from localtune.links import open_below

MAX_IGNORE_CHARS = 1_000_000
_ENDINGS = {
    "md": "md markdown mdown mkd mdx",
    "txt": "txt text log",
    "rst": "rst",
    "html": "html htm xhtml",
    "pdf": "pdf",
    "docx": "docx",
    "odt": "odt",
    "rtf": "rtf",
    "pptx": "pptx",
    "xlsx": "xlsx xlsm",
    "xls": "xls",
    "csv": "csv tsv",
    "epub": "epub",
    "ipynb": "ipynb",
    "eml": "eml",
    "mbox": "mbox",
    "msg": "msg",
    "json": "json",
    "jsonl": "jsonl ndjson",
    "config": "yaml yml toml ini cfg",
    "code": "py pyi js mjs jsx ts tsx java kt scala c h cc cpp cxx hpp cs go rs rb php pl lua r jl"
    " swift m sh bash ps1 sql",
    "zip": "zip",
}
FORMATS = {f".{ending}": kind for kind, listed in _ENDINGS.items() for ending in listed.split()}
# What programs write, not people. The second set only where a project lies beside it.
_MADE = {"node_modules", "bower_components", "__pycache__", "site-packages", "__MACOSX"}
_MADE_IN_PROJECTS = {"build", "dist", "target", "out", "venv", "env", "coverage"}
_PROJECTS = (
    "package.json", "pyproject.toml", "setup.py", "Cargo.toml", "pom.xml", "build.gradle",
    "build.gradle.kts", "CMakeLists.txt", "go.mod", "Makefile",
)  # fmt: skip


@dataclass(frozen=True)
class FoundFile:
    """A file or folder. `status` is "" where it may be read, else "skipped" or "failed".

    `path` lies below the folder of documents, `root`, and has no link in it: a link in there is
    listed with the path of its target. `members` leads into archives: ("b.zip", "c.md") is c.md in
    b.zip in the archive `path`.
    """

    root: Path
    path: Path
    name: str  # relative to the documents, with "/", always valid Unicode on one line
    format: str = ""
    status: str = ""
    reason: str = ""
    members: tuple[str, ...] = ()

    def open(self) -> int:
        """Open the file, or its archive; a link put in its place is not followed.

        Raises OSError.
        """
        return open_below(self.root, self.path.relative_to(self.root))


def find_files(docs: Path, max_bytes: int) -> Iterator[FoundFile]:
    """Yield every file below `docs`, sorted by name; a folder that is left out is one entry.

    Left out are hidden entries, what .localtuneignore names, what programs write (node_modules,
    build outputs), links that lead out, and endings that aren't read. Raises InputError where
    `docs` isn't a folder that can be listed.
    """
    _patterns_of.cache_clear()
    if not docs.is_dir():
        what = "is a file, not a folder" if docs.exists() else "isn't there"
        raise InputError(f"{docs} {what}.", "Give the folder that your documents lie in.")
    try:
        waiting = sorted(docs.resolve().iterdir(), reverse=True)
    except OSError as error:
        raise InputError(
            f"{docs} can't be opened: {error.strerror}.", "Make the folder readable."
        ) from error
    root = docs.resolve()
    while waiting:  # no recursion: folders may lie deeper than Python's stack
        path = waiting.pop()
        found = _look(path, root, max_bytes)
        if found is not None:
            yield found
            continue
        try:
            waiting += sorted(path.iterdir(), reverse=True)
        except OSError as error:
            yield _left_out(path, root, "failed", error.strerror or "can't be opened")


def _look(path: Path, root: Path, max_bytes: int) -> FoundFile | None:
    """Judge one entry by its name and its metadata; None is a folder to look into."""
    if path.name.startswith("."):
        return _left_out(path, root, "skipped", "hidden")
    real = path
    try:
        if path.is_symlink():
            real = path.resolve(strict=True)
            if not real.is_relative_to(root):
                return _left_out(path, root, "skipped", "a link out of the folder")
        status = real.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = getattr(error, "strerror", None) or "a loop of links"
        return _left_out(path, root, "failed", reason)
    folder = stat.S_ISDIR(status.st_mode)
    if _is_ignored(path, root, folder):
        return _left_out(path, root, "skipped", f"named in {IGNORE}")
    if folder:
        return _judge_folder(path, root)
    judged = _judge_file(path, root, status, max_bytes)
    return replace(judged, path=real)


def _judge_folder(path: Path, root: Path) -> FoundFile | None:
    # Following links to folders could go round in circles, and would only give duplicates.
    if path.is_symlink():
        return _left_out(path, root, "skipped", "a link to a folder")
    if path.name in _MADE or path.name.endswith(".egg-info"):
        return _left_out(path, root, "skipped", "written by a program")
    if path.name in _MADE_IN_PROJECTS and any((path.parent / name).exists() for name in _PROJECTS):
        return _left_out(path, root, "skipped", "the output of a build")
    return None


def _is_ignored(path: Path, root: Path, folder: bool) -> bool:
    """Ask every .localtuneignore from the path up to the root; the last line that names it wins."""
    parts = path.relative_to(root).parts
    for depth, parent in enumerate(path.parents[: len(parts)], 1):
        for pattern in reversed(_patterns_of(root, parent)):
            if pattern.matches(parts[-depth:], folder):
                return pattern.leaves_out
    return False


@cache
def _patterns_of(root: Path, folder: Path) -> list[Pattern]:
    """Return the patterns of a folder's own .localtuneignore. Raises InputError."""
    file = folder / IGNORE
    try:
        # A pipe of that name would never end; a link may lead out of the documents.
        if file.is_symlink() or not file.is_file():
            return []
        number = open_below(root, file.relative_to(root))
        with os.fdopen(number, encoding="utf-8-sig", errors="replace") as text:
            lines = text.read(MAX_IGNORE_CHARS + 1)
    except OSError as error:
        raise InputError(
            f"{file} can't be read: {error.strerror}.", "Make it readable, or remove it."
        ) from error
    if len(lines) > MAX_IGNORE_CHARS:
        raise InputError(
            f"{file} is longer than {MAX_IGNORE_CHARS:,} characters.",
            "Name folders instead of files, or move what isn't to be read.",
        )
    return list(_parsed(file, lines.split("\n")))


def _parsed(file: Path, lines: list[str]) -> Iterator[Pattern]:
    """Raise InputError at the first wrong line: a file it means must not be learned silently."""
    for number, line in enumerate(lines, 1):
        try:
            pattern = parse(line)
        except (ValueError, re.error) as error:
            raise InputError(
                f"{file}, line {number}: {line[:80]!r} is not a valid pattern ({error}).",
                f"Write it as in a .gitignore, with at most {MAX_PATTERN_CHARS:,} characters.",
            ) from error
        if pattern:
            yield pattern


def _judge_file(path: Path, root: Path, status: os.stat_result, max_bytes: int) -> FoundFile:
    if not stat.S_ISREG(status.st_mode):
        return _left_out(path, root, "skipped", "not a regular file")
    reason = _unreadable(path.suffix, status.st_size, max_bytes)
    if reason:
        return _left_out(path, root, "skipped", reason)
    return FoundFile(root, path, _name(path, root), FORMATS[path.suffix.lower()])


def _unreadable(suffix: str, size: int, max_bytes: int) -> str:
    """Say why a file of this ending and size isn't read, "" where it is."""
    if suffix.lower() not in FORMATS:
        ending = f"the ending {_text(suffix)}" if suffix else "a name without ending"
        return f"{ending} is not one that is read"
    if size == 0:
        return "empty"
    return f"larger than --max-file-mb ({max_bytes // 1_000_000})" if size > max_bytes else ""


def judge_member(archive: FoundFile, member: str, size: int, max_bytes: int) -> FoundFile:
    """Judge a file in an archive by the rules for files in folders; `size` is unpacked."""
    parts = PurePosixPath(member.replace("\\", "/")).parts
    name = f"{archive.name}/{_text('/'.join(part for part in parts if part not in ('/', '..')))}"
    suffix = PurePosixPath(member).suffix
    reason = _unreadable(suffix, size, max_bytes)
    if any(part.startswith(".") and part != ".." for part in parts):
        reason = "hidden"
    elif any(part in _MADE for part in parts[:-1]):
        reason = "written by a program"
    kind = FORMATS.get(suffix.lower(), "")
    status = "skipped" if reason else ""
    members = (*archive.members, member)
    return FoundFile(archive.root, archive.path, name, kind, status, reason, members)


def _left_out(path: Path, root: Path, status: str, reason: str) -> FoundFile:
    kind = FORMATS.get(path.suffix.lower(), "")
    return FoundFile(root, path, _name(path, root), kind, status, reason)


def _name(path: Path, root: Path) -> str:
    return _text(path.relative_to(root).as_posix())


def _text(name: str) -> str:
    """Return a file name as valid Unicode on one line; bytes that are none become U+FFFD."""
    valid = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in valid)
