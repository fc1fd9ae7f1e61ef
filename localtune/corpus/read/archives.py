"""Files, and files in ZIP archives, archives in archives too -> bytes. Nothing is unpacked to disk.

So a member's name can lead nowhere; and no more is unpacked than a file may have.
"""

from __future__ import annotations

import io
import lzma
import os
import zipfile
import zlib
from functools import lru_cache

from localtune.corpus.read.magic import actual_format
from localtune.errors import UnreadableError
from localtune.links import open_below

DEEPEST = 3  # archives within archives
MOST_MEMBERS = 10_000
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError)
_ENCRYPTED = 1  # of a member's flags


def read_file(root: bytes, path: bytes, members: tuple[str, ...], most: int) -> bytes:
    """Return the bytes of a file below `root`, or of a member of an archive: at most `most`.

    Raises UnreadableError, OSError.
    """
    if not members:
        with os.fdopen(open_below(root, path), "rb") as file:
            return _bounded(file.read(most + 1), most)
    archive = _opened(root, path, members[:-1], most)
    try:
        if archive.getinfo(members[-1]).flag_bits & _ENCRYPTED:
            raise UnreadableError("encrypted; unpack it first")
        with archive.open(members[-1]) as member:
            data = member.read(most + 1)
    except NotImplementedError as error:
        raise UnreadableError("packed in a way that isn't known; unpack it first") from error
    except (KeyError, *_BROKEN) as error:
        raise UnreadableError("damaged or cut short") from error
    return _bounded(data, most)


def _bounded(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise UnreadableError(f"larger than --max-file-mb ({most // 1_000_000})")
    return data


@lru_cache(maxsize=1)  # members are asked for one after another
def _opened(root: bytes, path: bytes, members: tuple[str, ...], most: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(read_file(root, path, members, most)))
    except (NotImplementedError, *_BROKEN) as error:
        raise UnreadableError("damaged or cut short") from error


def members_of(data: bytes, kind: str, depth: int) -> list[tuple[str, int]] | None:
    """Return the (name, unpacked bytes) of an archive's files, None where it is no archive.

    `depth` counts the archives it lies in. Raises UnreadableError where they or its files are too
    many, or it is broken.
    """
    if actual_format(data, kind) != "zip":
        return None
    if depth > DEEPEST:
        raise UnreadableError(f"lies in more than {DEEPEST} archives; unpack it first")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # Of two members of one name, the last one is what every program unpacks.
            listed = {info.filename: info.file_size for info in archive.infolist()}
    except (NotImplementedError, *_BROKEN) as error:
        raise UnreadableError("damaged or cut short") from error
    if len(listed) > MOST_MEMBERS:
        raise UnreadableError(f"holds {len(listed):,} files, more than {MOST_MEMBERS:,}")
    return sorted((name, size) for name, size in listed.items() if name and name[-1] != "/")
