"""A build and an Ollama server -> a model in the server's list, and whether it answers there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtune.build.hashes import Hashes
from localtune.build.job import Build
from localtune.build.open_build import open_build, shipped
from localtune.deploy.install_files import InstallRequest, level_of, what_is_wanted
from localtune.deploy.installed import InstalledModel, installed_models, record
from localtune.errors import DiskFullError, InputError, ServerError
from localtune.formatting import size
from localtune.ollama.client import Ollama, Unreachable
from localtune.ollama.create_request import Blob, blob, create_request, oldest_version, read_version
from localtune.ollama.disk import store_of
from localtune.ollama.host import is_this_machine, server_url
from localtune.ollama.name import listed, read_name, split_name, valid_name
from localtune.progress import Progress, megabytes

LARGE = 1_000_000_000  # bytes; room for less needn't be thought of
# Called with the name of a model that is there already, and its digest in the server's list.
MayReplace = Callable[[str, str], bool]


def install(
    folder: Path,
    name: str,
    host: str,
    level: str,
    may_replace: MayReplace,
    progress: Progress,
) -> tuple[Build, InstallRequest, InstalledModel]:
    """Make a build's model in an Ollama server and record it.

    `name` and `host` may be empty: the build's name, and OLLAMA_HOST. Raises LocaltuneError.
    """
    build = open_build(folder)
    wanted = what_is_wanted(build, name, level, progress)
    url = server_url(host)
    with build.at.hold(), Ollama(url) as server:
        version = _meet(server, progress)
        models = server.digests()
        _check_name(wanted, models, may_replace)
        _check_base(url, wanted, models)
        blobs = _blobs(build, wanted, progress)
        request = create_request(wanted.commands, str(wanted.name), blobs)
        _check_version(version, request)
        store = store_of(list(models)) if is_this_machine(url) else None
        _upload(server, store, wanted, blobs, progress)
        _create(server, request, store, wanted, progress)
        digests = server.digests()
        digest = digests.get(listed(wanted.name, digests) or "", "")
        model = InstalledModel(str(wanted.name), url, wanted.level, digest)
        record(build, model)
    return build, wanted, model


def install_level(
    folder: Path, may_replace: MayReplace, progress: Progress
) -> tuple[Build, InstallRequest, InstalledModel]:
    """Install the level that the Modelfile names, under a tag that no other level has.

    That is the name that the level was installed under last, where it is still this build's model;
    else the model's name of the last install with the level as tag. Raises LocaltuneError.
    """
    build = open_build(folder)
    known, level = installed_models(build), level_of(build, shipped(build))
    own = next((model for model in reversed(known) if model.level == level), None)
    last = own or (known[-1] if known else InstalledModel(valid_name(build.at.name), ""))
    name = last.name if own else str(replace(read_name(last.name), tag=level.lower()))

    def decide(name: str, digest: str) -> bool:
        return bool(own and digest and digest == own.digest) or may_replace(name, digest)

    return install(folder, name, last.url, "", decide, progress)


def _meet(server: Ollama, progress: Progress) -> str:
    version = server.version()
    progress.stage(f"Ollama {version}", server.url)
    if not is_this_machine(server.url):
        progress.warn(
            "the server runs on another machine: the model, and with it what it learned of your "
            "documents, is sent there"
        )
    return version


def _check_name(wanted: InstallRequest, models: Mapping[str, str], may_replace: MayReplace) -> None:
    there = listed(wanted.name, models)
    if there and not may_replace(str(wanted.name), models[there]):
        raise InputError(
            f"Ollama has a model {wanted.name} already.",
            "`localtune install` puts it in that place with --replace, or takes another --name.",
        )


def _check_base(url: str, wanted: InstallRequest, models: Mapping[str, str]) -> None:
    """Refuse a base that the server lacks, which it would download."""
    names = [c.value for c in wanted.commands if c.name == "FROM" and c.value not in wanted.files]
    for name in names:
        if listed(split_name(name), models) is None:
            raise InputError(
                f"Ollama at {url} has no model {name}, which the Modelfile is FROM.",
                f"Fetch it there with `ollama pull {name}`, or build without --adapter-only.",
            )


def _check_version(version: str, request: dict[str, Any]) -> None:
    oldest, why = oldest_version(request)
    known = read_version(version)
    if known and known < oldest:
        wanted = ".".join(map(str, oldest))
        raise ServerError(
            f"Ollama {version} is too old for this model, which needs {wanted}: {why}.",
            f"Update Ollama to {wanted} or later (https://ollama.com/download).",
        )


def _blobs(build: Build, wanted: InstallRequest, progress: Progress) -> dict[str, Blob]:
    """Return the digest of every file; one that the build knows isn't read again."""
    hashes, found = Hashes(build.at.hashes), {}
    for value, file in wanted.files.items():
        try:
            with megabytes(progress, f"reading {file.name}", file.stat().st_size) as count:
                found[value] = blob(file, hashes.file(file, count))
        except OSError as error:
            raise InputError(
                f"{file} can't be read: {error.strerror}.", "Make it readable, or build again."
            ) from error
    hashes.save()
    return found


def _upload(
    server: Ollama,
    store: Path | None,
    wanted: InstallRequest,
    blobs: dict[str, Blob],
    progress: Progress,
) -> None:
    """Bring the files to the server that it hasn't, if there is room."""
    files = {file: blobs[value].digest for value, file in wanted.files.items()}
    missing = {file: digest for file, digest in files.items() if not server.has_blob(digest)}
    _check_room(store, wanted, list(missing), progress)
    for file, digest in missing.items():
        if server.upload(file, digest, progress):
            progress.note(f"{file.name} uploaded, {size(file.stat().st_size)}")


def _check_room(
    store: Path | None, wanted: InstallRequest, missing: list[Path], progress: Progress
) -> None:
    """Refuse what can't fit on the server's disk: the upload, and what is made of it."""
    whole = _bytes(wanted.files.values())
    needed = whole + _bytes(missing)
    if store is None:
        if whole > LARGE:
            progress.warn(
                f"the server needs {size(needed)} to {size(needed + whole)} of free disk, which "
                "can't be looked at from here"
            )
        return
    free = shutil.disk_usage(store).free
    if free < needed:
        raise DiskFullError(
            f"Ollama's folder {store} has {size(free)} free; {size(needed)} are needed: the upload "
            "and the model that is made of it.",
            "Free some space there, or set OLLAMA_MODELS to a folder on another disk.",
        )
    if free < needed + whole:
        progress.warn(f"{store} has {size(free)} free, which may not be enough")


def _bytes(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _create(
    server: Ollama,
    request: dict[str, Any],
    store: Path | None,
    wanted: InstallRequest,
    progress: Progress,
) -> None:
    """Make the model. Raises ServerError, and DiskFullError where the server's disk is too full.

    Ollama says nothing of the disk when it copies the file; what it had written is removed again.
    """
    before = shutil.disk_usage(store).free if store else 0
    try:
        server.create(request, progress)
    except Unreachable:
        raise
    except ServerError as error:
        whole = _bytes(wanted.files.values())
        free = min(before, shutil.disk_usage(store).free) if store else whole
        if free >= whole:
            raise
        raise DiskFullError(
            f"Ollama could not make the model. Its folder {store} has {size(free)} free, and the "
            f"model takes {size(whole)}. {error.message}",
            "Free some space there, then run the same command again.",
        ) from error
