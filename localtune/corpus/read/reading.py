"""What is read of a file, and what a process that reads files is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localtune.corpus.read.files import FoundFile

VERSION = 1  # of what a reading holds: another one makes every file be read again
Reading = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a reading depends on beside the file. `allow` holds casefolded values."""

    passage_tokens: int
    private: bool
    allow: tuple[str, ...]
    ocr: bool


@dataclass(frozen=True)
class Job:
    """A file to read: `path` below `root`, bytes as the system has them; `members` of archives."""

    root: bytes
    path: bytes
    members: tuple[str, ...]
    kind: str
    name: str
    most: int  # bytes
    small: bool = True  # so that others may wait behind it
    patience: float = 1.0  # times the seconds a file has


@dataclass(frozen=True)
class FileReading:
    """A file and what was read of it; nothing (an empty reading) where `found` says why."""

    found: FoundFile
    sha256: str
    reading: Reading
