"""The build folder: where each artefact lies, how it is written, and who works in it.

Every artefact is written under a temporary name in its own folder and renamed, so that a file
under its own name is always whole. Knows nothing of stages.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localtune.errors import BuildInUseError, DiskFullError, InputError
from localtune.links import check_folder, check_regular

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600  # modes: documents' text is for their owner alone
MAX_JSON_BYTES = 1_000_000_000
PARTIAL = ".partial"  # the ending of every temporary name
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CUT_SHORT = re.compile(r"^\d+ requested and \d+ written$")  # numpy's, without a number


class Workspace:
    """The paths of one build folder, and the right to write in it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.modelfile = folder / "Modelfile"
        self.report_html = folder / "report.html"
        self.card = folder / "README.md"
        self.work = work = folder / "work"
        self.documents = work / "documents.jsonl"
        self.passages = work / "passages.jsonl"
        self.chats = work / "chats.jsonl"
        self.removed = work / "removed.jsonl"
        self.base_choice = work / "base-choice.json"
        self.readings = work / "readings.jsonl"
        self.exam = work / "exam.jsonl"
        self.exam_made = work / "exam.made"
        self.exam_old = work / "exam.old.jsonl"
        self.exam_known = work / "exam-known.jsonl"
        self.writer = work / "writer.json"
        self.writer_gguf = work / "base-Q8_0.gguf"
        self.ledgers = work / "ledgers"
        self.lessons = work / "lessons.jsonl"
        self.lesson_counts = work / "lesson-counts.json"
        self.dropped = work / "dropped.jsonl"
        self.development = work / "development.jsonl"
        self.base = work / "base"
        self.targets = work / "targets.safetensors"
        self.target_parts = work / "targets"
        self.adapter = work / "adapter"
        self.trained_upon = work / "base-nf4"
        self.checkpoints = work / "checkpoints"
        self.master = work / f"{name}-BF16.gguf"
        self.imatrix = work / "imatrix.gguf"
        self.ladder = work / "ladder.json"
        self.ladder_picture = work / "ladder.svg"
        self.metrics = work / "metrics.jsonl"
        self.faithful = work / "faithful.json"
        self.grades = work / "grades"
        self.plan, self.budget = work / "plan.json", work / "budget.json"
        self.scores = work / "scores.json"
        self.lock, self.settings = work / "lock.json", work / "build.json"
        self.hashes = work / "hashes.json"
        self.installed = work / "installed.json"

    def level_gguf(self, level: str) -> Path:
        """Return where a level's file lies."""
        return self.folder / f"{self.name}-{level}.gguf"

    def grade(self, which: str) -> Path:
        """Return where the answers of the base or of a level lie."""
        return self.grades / f"{which}.json"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes out of this folder; raise BuildInUseError where one is in it."""
        from filelock import FileLock, Timeout

        self._make()
        self.check_links()
        holder = FileLock(str(self.work / ".in-use"), timeout=0)
        try:
            holder.acquire()
        except Timeout as error:
            raise BuildInUseError(
                f"{self.folder} is in use by another localtune (process {self._owner()}).",
                "Wait until it ends, or build into another folder with --out.",
            ) from error
        try:
            write_text(self._owner_file, str(os.getpid()))
            remove_partials(self.folder)
            yield
        finally:
            self._owner_file.unlink(missing_ok=True)
            holder.release()

    def _make(self) -> None:
        try:
            with no_room_is_an_error(self.folder):
                for folder in (self.folder, self.work):
                    folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The build folder {self.folder} can't be made: {error.strerror}.",
                "Choose another folder with --out.",
            ) from error

    def check_links(self) -> None:
        """Raise InputError where a link in the folder leads out; the folder itself may be one."""
        for file in (self.modelfile, self.report_html, self.card):
            check_regular(file)
        check_folder(self.work, weights=(self.base, self.trained_upon))

    @property
    def _owner_file(self) -> Path:
        # Not in the lock file itself: opening that for a second lock may empty it.
        return self.work / ".in-use.pid"

    def _owner(self) -> str:
        try:
            return self._owner_file.read_text() or "unknown"
        except OSError:
            return "unknown"

    def clean(self) -> int:
        """Remove the work folder's artefacts and return the bytes freed; keeps the settings."""
        freed = 0
        for path in sorted(self.work.iterdir()):
            if path == self.settings or path.name.startswith(".in-use"):
                continue
            freed += size_of(path)
            remove(path)
        return freed


def remove_partials(folder: Path) -> None:
    """Remove what a killed process left under temporary names."""
    for path in [*folder.glob(f".*{PARTIAL}"), *folder.glob(f"work/**/.*{PARTIAL}")]:
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Return the bytes of a file or of a folder's files, links not followed."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(part) for part in path.iterdir())
    return path.lstat().st_size


@contextmanager
def no_room_is_an_error(target: Path) -> Iterator[None]:
    """Turn "no space left" into DiskFullError, and a forbidden path into InputError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM or _CUT_SHORT.search(str(error)):
            why = os.strerror(error.errno) if error.errno else str(error)
            raise DiskFullError(
                f"There is no room left to write {target} ({why}).",
                "Free some space, then run the same command again: it goes on where it stopped.",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise InputError(
                f"{error.filename or target}: {error.strerror}.",
                "Make it accessible, or choose another folder with --out.",
            ) from error
        raise


def try_to_write(folder: Path) -> None:
    """Raise the OSError that a library made an error of its own, where the disk is full."""
    probe = folder / f".probe.{secrets.token_hex(4)}{PARTIAL}"
    try:
        probe.write_bytes(bytes(1 << 20))
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def temporary_path(target: Path) -> Iterator[Path]:
    """Yield a free path beside `target` for a file or folder that is removed at the end."""
    with no_room_is_an_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}{PARTIAL}"
        try:
            yield temporary
        finally:
            remove(temporary)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it on success, remove it on failure.

    What is written there may be a file or a folder. Raises DiskFullError.
    """
    with temporary_path(target) as temporary:
        yield temporary
        _sync(temporary)
        if temporary.is_dir():
            remove(target)  # a folder can't be renamed onto one that isn't empty
        temporary.replace(target)
        _sync_one(target.parent)


def _sync(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for part in path.iterdir():
            _sync(part)
    if path.exists():
        _sync_one(path)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Write a text file, whole or not at all; with `private` only its owner may read it."""
    with atomic_path(path) as temporary:
        if private:
            temporary.touch(PRIVATE_FILE)
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, indented, keys in the order given; only its owner may read it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n", private=True)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line and return how many; only their owner may read them."""
    count = 0
    with atomic_path(path) as temporary:
        temporary.touch(PRIVATE_FILE)
        with temporary.open("w", encoding="utf-8", newline="\n") as out:
            for row in rows:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count


def load_json(path: Path) -> Any:
    """Read one JSON value; raise OSError, or ValueError where it is none or too large."""
    with path.open("rb") as file:
        data = file.read(MAX_JSON_BYTES)  # the rest is missed: what is cut off isn't JSON
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> Any:
    """Read one JSON value; raise InputError where the file isn't there or isn't JSON."""
    try:
        return load_json(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} can't be read: {error}.",
            "Run `localtune build` again; it makes the file anew.",
        ) from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that write_jsonl wrote, or a person after it."""
    with path.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def check_room(folder: Path, size: int) -> None:
    """Raise DiskFullError where `size` bytes don't fit on a folder's disk."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DiskFullError(
            f"{folder} has {free / 1e9:.2f} GB free; {size / 1e9:.2f} GB are needed.",
            "Free some space, or write to another disk.",
        )
