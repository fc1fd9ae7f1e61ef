"""llama.cpp's converters, out of the source of the very llama-cpp-python that is installed.

pip fetches the sdist once, and what is needed of it is kept in the user's cache with the SHA-256 of
the sdist and of each file. No clone, no compiler, and nothing of the sdist is run while fetching.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from localtune.errors import DiskFullError, ExportError
from localtune.export.llama_cpp.process import LOG, run
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path, remove_partials, temporary_path, write_json

VARIABLE = "LOCALTUNE_LLAMA_CPP"
SCRIPT = "convert_hf_to_gguf.py"
WANTED = ("convert_", "conversion/", "gguf-py/gguf/", "LICENSE")  # in vendor/llama.cpp
RECORD = "localtune.json"  # in a fetched folder: where it came from, and the sum of every file
_SIZE = "77 MB"  # the sdist of 0.3.36
_ROOM = "400 MB"  # for a moment: the sdist, and pip unpacks it to ask for its name
# A prepared answer to that question, in place of the sdist's build system: so pip only downloads;
# else it would fetch scikit-build-core (and CMake where there is none, 30 MB) and run them. The
# module is the one that llama-cpp-python's pyproject.toml names.
_BACKEND = Path("scikit_build_core", "build.py")
_ANSWER = """
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, settings=None):
    made = Path(folder, "llama_cpp_python-{0}.dist-info")
    made.mkdir()
    (made / "METADATA").write_text(
        "Metadata-Version: 2.1\\nName: llama_cpp_python\\nVersion: {0}\\n"
    )
    return made.name
"""
_NO_INDEX = re.compile(r"from versions: none|Retrying \(|Max retries|Failed to establish")
NO_ROOM = re.compile(r"Errno 28\b|No space left|\d+ requested and \d+ written")


def fetch_script(
    progress: Progress = Silent(), *, offline: bool = False, also: tuple[str, ...] = ()
) -> Path:
    """Return the folder of convert_hf_to_gguf.py, convert_lora_to_gguf.py and their gguf-py.

    It is $LOCALTUNE_LLAMA_CPP where that is set; else it lies in the user's cache, fetched through
    pip when it isn't there or when a file of it no longer has the sum that was recorded. `also`
    names more folders of llama.cpp's source ("models/"). Raises ExportError and DiskFullError.
    """
    if given := os.environ.get(VARIABLE):
        return _given(Path(given))
    release, cache = _release(), _cache()
    folder = cache / "-".join(["llama.cpp", release, *(part.strip("/") for part in also)])
    if _is_whole(folder):
        return folder
    if offline:
        raise _not_fetched(release, "it is not in the cache, and --offline is set")
    with _alone(cache):
        if not _is_whole(folder):  # another process may have fetched it while we waited
            progress.note(f"fetching llama.cpp's own converter, once ({_SIZE})")
            _fetch(release, folder, (*WANTED, *also))
    return folder


def _given(folder: Path) -> Path:
    if (folder / SCRIPT).is_file():
        return folder.resolve()
    raise ExportError(
        f"{VARIABLE} is {folder}, which holds no {SCRIPT}.",
        "Set it to the folder vendor/llama.cpp of llama-cpp-python's source, or don't set it.",
    )


def _release() -> str:
    """Return the installed llama-cpp-python's version, without what a builder put behind it."""
    try:
        return version("llama-cpp-python").partition("+")[0]
    except PackageNotFoundError as error:
        raise ExportError(
            "llama-cpp-python is not installed, so its converter can't be found.",
            "Install localtune again: pip install localtune.",
        ) from error


def _cache() -> Path:
    """Return our folder in the user's cache."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError as error:
        raise _no_cache("~/.cache", "there is no home folder") from error
    return home.absolute() / "localtune"


def _no_cache(folder: Path | str, why: str) -> ExportError:
    return ExportError(
        f"The cache {folder} can't be used: {why}.",
        f"Set XDG_CACHE_HOME to a folder you may write in, or {VARIABLE}.",
    )


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Keep other processes from fetching, and remove what a killed one left."""
    from filelock import FileLock

    lock = FileLock(str(cache / "fetch.lock"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise _no_cache(cache, error.strerror or str(error)) from error
    try:
        with suppress(OSError):  # a killed fetch's pip may still write there: then the next time
            remove_partials(cache)
        yield
    finally:
        lock.release()


def _is_whole(folder: Path) -> bool:
    """Say whether a fetched folder holds exactly the files it was recorded with."""
    try:
        recorded = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(recorded) and _sums(folder) == recorded


def _sums(folder: Path) -> dict[str, str]:
    """Return {path inside the folder: SHA-256} of its files, without what Python compiled."""
    inside = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    return {
        name.as_posix(): _sha256(path)
        for name, path in inside.items()
        if path.is_file() and "__pycache__" not in name.parts and name.name != RECORD
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _fetch(release: str, folder: Path, wanted: tuple[str, ...]) -> None:
    with temporary_path(folder.parent / "fetch") as work, atomic_path(folder) as made:
        sdist = _download(release, work)
        unpack(sdist, made, wanted)
        if not (made / SCRIPT).is_file():
            raise _not_fetched(release, f"its source holds no {SCRIPT}")
        record = {"sdist": sdist.name, "sha256": _sha256(sdist), "files": _sums(made)}
        write_json(made / RECORD, {"llama-cpp-python": release, **record})


def _download(release: str, work: Path) -> Path:
    """Return the sdist, fetched by pip from where a person's pip looks, its sum checked by pip.

    pip keeps its temporary files in `work` too, so that nothing of a killed fetch stays.
    """
    backend = work / "backend" / _BACKEND
    backend.parent.mkdir(parents=True)
    backend.write_text(_ANSWER.format(release), encoding="utf-8")
    source = ["--no-binary", "llama-cpp-python", "--no-deps", "--no-build-isolation"]
    pip = [sys.executable, "-P", "-m", "pip", "download", *source]
    pip += ["--retries", "2", "--dest", "sdist"]
    paths = [str(work / "backend"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(work)}
    status = run([*pip, f"llama-cpp-python=={release}"], work, environment)
    found = [] if status else list((work / "sdist").glob("*.tar.gz"))
    if len(found) != 1:
        raise _pip_failed(release, (work / LOG).read_text(encoding="utf-8", errors="replace"))
    return found[0]


def _pip_failed(release: str, log: str) -> ExportError | DiskFullError:
    if NO_ROOM.search(log):
        return DiskFullError(
            f"There is no room left in {_cache()} to fetch llama.cpp's converter.",
            f"{_ROOM} are needed for a moment; free some space, or set XDG_CACHE_HOME.",
        )
    if "No module named pip" in log:
        return _not_fetched(release, "this Python has no pip (`python -m ensurepip` makes one)")
    if _NO_INDEX.search(log):
        return _not_fetched(release, "pip reaches no package index that has this release")
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    return _not_fetched(release, (errors or ["ERROR: pip failed"])[-1].removeprefix("ERROR: "))


def _not_fetched(release: str, why: str) -> ExportError:
    return ExportError(
        f"llama.cpp's converter could not be fetched: {why.rstrip('.')}.",
        "Run it again with a connection. Or, where there is one: pip download --no-deps "
        f"--no-binary llama-cpp-python llama-cpp-python=={release}, unpack the file, "
        f"and set {VARIABLE} to its folder vendor/llama.cpp.",
    )


def unpack(sdist: Path, folder: Path, wanted: tuple[str, ...] = WANTED) -> None:
    """Write the files of an sdist's vendor/llama.cpp whose paths begin with one of `wanted`.

    Only what regular files hold is taken: no links, no owners, no modes. Raises ExportError for an
    archive that is damaged, or in which a path leads out of the folder.
    """
    folder.mkdir()
    try:
        with tarfile.open(sdist) as archive:
            for member in archive:
                name = member.name.partition("/vendor/llama.cpp/")[2]
                if member.isreg() and name.startswith(wanted):
                    _write_member(archive, member, folder / name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ExportError(
            f"{sdist.name} is damaged: {error}.",
            "Run it again; where that doesn't help, look which index pip is set to use.",
        ) from error


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    data = archive.extractfile(member)
    if data is None or ".." in PurePosixPath(member.name).parts:
        raise tarfile.ExtractError(f"{member.name!r} leads out of the folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data.read())
