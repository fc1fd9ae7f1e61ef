"""Open files in folders that others may have made: no link, pipe or device is followed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from localtune.errors import InputError

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")  # large files, which may be links
_REPLACED = (errno.ELOOP, errno.EMLINK, errno.ENXIO)  # what the system answers at a link or a pipe


def open_regular(
    path: str | bytes | Path, flags: int = os.O_RDONLY, folder: int | None = None
) -> int:
    """Open a regular file without waiting and return its descriptor.

    `folder` is a descriptor that `path` is relative to. Raises OSError, also for a pipe, a device
    or a folder, which could block or never end.
    """
    number = os.open(path, flags | os.O_NONBLOCK, 0o600, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file", os.fsdecode(path))
    return number


def open_below(root: str | bytes | Path, path: str | bytes | Path) -> int:
    """Open a regular file to read; no part of `path`, which is relative to `root`, may be a link.

    So a file or folder that is replaced by a link after it was listed is not read. Raises OSError.
    """
    *folders, name = os.fsencode(path).split(b"/")
    if {b"", b".", b".."} & {*folders, name}:
        raise OSError(errno.EINVAL, "not a path below the folder", os.fsdecode(path))
    flags = os.O_RDONLY | os.O_DIRECTORY
    number = os.open(root, flags)
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_NOFOLLOW, dir_fd=number)
            os.close(number)
            number = inner
        return open_regular(name, os.O_RDONLY | os.O_NOFOLLOW, number)
    except OSError as error:
        if error.errno not in _REPLACED:
            raise
        raise OSError(error.errno, "replaced by a link", os.fsdecode(path)) from error
    finally:
        os.close(number)


def open_in_place(path: Path, flags: int) -> int:
    """Open a file of a build folder to change it where it is; a new one is its owner's alone.

    Raises InputError for a link, for a file with a second name (a hard link), and for a pipe or
    device: what is written would go elsewhere.
    """
    try:
        number = open_regular(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (*_REPLACED, errno.EINVAL):
            raise _not_ours(path) from error
        raise
    if os.fstat(number).st_nlink > 1:
        os.close(number)
        raise _not_ours(path)
    return number


def check_regular(path: Path) -> None:
    """Raise InputError for a link, pipe or device; a file that isn't there is no error."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _not_ours(path)


def check_folder(folder: Path, weights: tuple[Path, ...] = ()) -> None:
    """Raise InputError where a folder is a link, or anything in it is a link, pipe or device.

    Folders in `weights` may hold links to files of weights.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise _not_ours(folder)
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / name for name in (*folders, *files)):
            own = path.parent in weights and path.suffix in WEIGHTS and not path.is_dir()
            if own and (path.is_file() or not path.exists()):
                continue
            if path.is_symlink() or not path.is_dir():
                check_regular(path)


def check_model(folder: Path) -> None:
    """Raise InputError where a file of a model's folder is a link out of it, a pipe or a device.

    Weights may be links to anywhere. A snapshot in the Hugging Face cache, which is a folder
    REPO/snapshots/REVISION, links to REPO/blobs.
    """
    homes = [folder.resolve()]
    if homes[0].parent.name == "snapshots":
        homes.append(homes[0].parents[1] / "blobs")
    for path in folder.iterdir():
        real = Path(os.path.realpath(path))
        inside = path.suffix in WEIGHTS or any(map(real.is_relative_to, homes))
        if real.exists() and not real.is_dir() and not (inside and real.is_file()):
            raise InputError(
                f"{path} is a link out of the model's folder, or a special file.",
                "Put a copy in its place, or remove it.",
            )


def _not_ours(path: Path) -> InputError:
    return InputError(
        f"{path} is a link, a pipe or another special file.",
        "localtune follows no links inside a build folder. Move what the link names in its place.",
    )
