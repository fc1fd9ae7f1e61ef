"""Files -> readings: in worker processes, archives opened on the way, unchanged files not again."""

from __future__ import annotations

import copy
import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localtune.config.extras import OCR, READERS, is_installed, library_version
from localtune.config.stages import CorpusConfig
from localtune.corpus.read.archives import MOST_MEMBERS
from localtune.corpus.read.files import FoundFile, judge_member
from localtune.corpus.read.reading import VERSION, FileReading, Job, Settings
from localtune.corpus.read.readings import Readings, key_of
from localtune.corpus.read.workers import Workers
from localtune.machine.cores import cores
from localtune.progress import Bar, Progress

MEGABYTES = 600  # of data a worker may hold, and what recognising scanned pages takes besides
MEGABYTES_OCR = 600
PATIENCE_OCR = 20.0  # times file_seconds, for a PDF whose pages may be scans
UNPACKED = 20  # times --max-file-mb: what one file may unpack to, archives in it included
SMALL = 100_000  # bytes of a file behind which others may wait
PROCESSES = 8  # at most: each holds its own copy of the libraries


@dataclass(frozen=True)
class _Item:
    """A file on its way: its place in the list, and the SHA-256 of the file it lies in."""

    found: FoundFile
    place: tuple[int, ...]
    sha256: str
    most: int
    ocr: bool

    def job(self) -> Job:
        """Return what a worker must know."""
        found, scans = self.found, self.ocr and self.found.format == "pdf"
        patience = PATIENCE_OCR if scans else 1.0
        name = found.name.rsplit("/", 1)[-1]
        root, path = os.fsencode(found.root), os.fsencode(found.path.relative_to(found.root))
        small = not found.members and _is_small(found.path)
        return Job(root, path, found.members, found.format, name, self.most, small, patience)


def read_files(
    found: list[FoundFile], readings: Path | None, config: CorpusConfig, progress: Progress
) -> list[FileReading]:
    """Return what was read, in the order of the files; what `readings` knows isn't read again."""
    allow = tuple(sorted(value.casefold() for value in config.allow))
    settings = Settings(config.passage_tokens, not config.keep_private, allow, is_installed(OCR))
    most = config.max_file_mb * 1_000_000
    with progress.bar("documents", len(found)) as bar, Readings(readings) as kept:
        reader = _Reader(kept, settings, most, bar)
        for place, file in enumerate(found):
            reader.take(file, (place,))
        reader.run(config.file_seconds)
        kept.keep_only(reader.keys[place] for place in sorted(reader.keys))
    return list(_distinct(reader.done[place] for place in sorted(reader.done)))


def _distinct(reads: Iterable[FileReading]) -> Iterator[FileReading]:
    """Number files whose names look the same once what can't be written is replaced."""
    names: set[str] = set()
    for read in reads:
        name, number = read.found.name, 1
        while name in names:
            number += 1
            name = f"{read.found.name} ({number})"
        names.add(name)
        yield replace(read, found=replace(read.found, name=name))


class _Reader:
    """Reads files in workers; an archive's members follow it. `done` is {place: what was read}."""

    def __init__(self, kept: Readings, settings: Settings, most: int, bar: Bar) -> None:
        self.done: dict[tuple[int, ...], FileReading] = {}
        self.keys: dict[tuple[int, ...], str] = {}
        self._kept, self._settings, self._most, self._bar = kept, settings, most, bar
        self._waiting: deque[_Item] = deque()
        self._libraries = [library_version(name) for name in READERS]
        self._members, self._bytes = Counter[int](), Counter[int]()  # by place in the list
        self._given_up: set[int] = set()

    def take(self, file: FoundFile, place: tuple[int, ...], sha256: str = "") -> None:
        """Finish a file that is left out or known; put the others into the queue."""
        if place[0] in self._given_up:
            return
        if file.status:
            self._finish(_Item(file, place, sha256, 0, False), {})
            return
        try:
            sha256 = sha256 or _sha256(file, self._most)
        except OSError as error:
            failed = replace(file, status="failed", reason=error.strerror or "can't be read")
            self._finish(_Item(failed, place, "", 0, False), {})
            return
        item = _Item(file, place, sha256, self._most, self._settings.ocr)
        known = self._kept.get(self._key(item))
        if known is None:
            self._waiting.append(item)
        else:
            # Two files may share a reading; what is noted of one isn't true of the other.
            self._answered(item, copy.deepcopy(known))

    def run(self, seconds: float) -> None:
        """Read what waits, and what comes out of archives meanwhile."""
        megabytes = MEGABYTES + MEGABYTES_OCR * self._settings.ocr
        number = min(cores(), PROCESSES)
        workers = Workers[_Item](number, seconds, megabytes, self._settings)
        for item, answer in workers.read(self._waiting):
            if "members" in answer or "passages" in answer:  # not what a crash or a stop left
                self._kept.add(self._key(item), answer)
            self._answered(item, answer)

    def _answered(self, item: _Item, answer: dict[str, Any]) -> None:
        self.keys[item.place] = self._key(item)
        if item.place[0] in self._given_up:
            return
        if "members" not in answer:
            self._finish(item, answer)
            return
        members = answer["members"]
        reason = f"an archive; its {len(members)} files are listed below"
        archive = replace(item.found, status="skipped", reason=reason)
        self._finish(replace(item, found=archive), {})
        for number, (name, size) in enumerate(members if self._fits(item, members) else []):
            member = judge_member(item.found, name, size, self._most)
            self.take(member, (*item.place, number), item.sha256)

    def _fits(self, item: _Item, members: list[tuple[str, int]]) -> bool:
        """Whether a file's archives hold no more so far than one may: archives can hold no end."""
        file = item.place[0]
        self._members[file] += len(members)
        self._bytes[file] += sum(size for _, size in members)
        if self._members[file] > MOST_MEMBERS:
            self._give_up(file, f"holds more than {MOST_MEMBERS:,} files, archives in it included")
        elif self._bytes[file] > UNPACKED * self._most:
            self._give_up(file, f"unpacks to more than {UNPACKED} times --max-file-mb")
        return file not in self._given_up

    def _give_up(self, file: int, reason: str) -> None:
        """Take back all that was read of a file: what came first is nothing but chance."""
        self._given_up.add(file)
        whole = self.done[file,]
        self.done = {place: read for place, read in self.done.items() if place[0] != file}
        found = replace(whole.found, status="failed", reason=reason)
        self.done[file,] = replace(whole, found=found)
        others = [item for item in self._waiting if item.place[0] != file]
        self._waiting.clear()
        self._waiting.extend(others)

    def _finish(self, item: _Item, reading: dict[str, Any]) -> None:
        self.done[item.place] = FileReading(item.found, item.sha256, reading)
        self._bar.advance(int(len(item.place) == 1))

    def _key(self, item: _Item) -> str:
        found, settings = item.found, vars(self._settings)
        # The name of source code tells its language.
        name = found.name.rsplit("/", 1)[-1] if found.format == "code" else ""
        of_file = (item.sha256, found.members, found.format, name)
        return key_of(VERSION, self._libraries, *of_file, self._most, settings)


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size <= SMALL
    except OSError:
        return False


def _sha256(found: FoundFile, most: int) -> str:
    """Return the hash of at most `most` bytes of a file. Raises OSError."""
    with os.fdopen(found.open(), "rb") as file:
        return hashlib.sha256(file.read(most + 1)).hexdigest()
