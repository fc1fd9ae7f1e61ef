"""A build and an Ollama server -> a model in the server's list, and whether it answers there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localtune.errors import DiskFullError, InputError, ServerError
from localtune.hashes import Hashes
from localtune.opening import open_build, shipped
from localtune.progress import Progress, megabytes
from localtune.report.figures import size
from localtune.runtimes.create_request import (
    Blob,
    blob,
    create_request,
    oldest_version,
    read_version,
)
from localtune.runtimes.modelfile_grammar import Command, parse
from localtune.runtimes.ollama import Ollama
from localtune.runtimes.ollama_disk import store_of
from localtune.runtimes.ollama_host import is_this_machine, server_url
from localtune.runtimes.ollama_name import Name, read_name, split_name, valid_name
from localtune.steps import Build
from localtune.upon_base import files_of
from localtune.workspace import read_json, write_json

LARGE = 1_000_000_000  # bytes; room for less needn't be thought of


@dataclass(frozen=True)
class Wanted:
    """What is to be installed: the Modelfile's commands, and the files they name."""

    name: Name
    gguf: Path
    commands: tuple[Command, ...]
    files: dict[str, Path]


@dataclass(frozen=True)
class Place:
    """Where a build was installed: the model's name there and the server's URL."""

    name: str
    url: str


def install(
    folder: Path,
    name: str,
    host: str,
    level: str,
    may_replace: Callable[[str], bool],
    progress: Progress,
) -> tuple[Build, Wanted, Place]:
    """Make a build's model in an Ollama server and remember where.

    `name` and `host` may be empty: the build's name, and OLLAMA_HOST. `may_replace` is asked where
    the server has a model of that name. Raises LocaltuneError.
    """
    build = open_build(folder)
    wanted = what_is_wanted(build, name, level, progress)
    url = server_url(host)
    with build.at.hold(), Ollama(url) as server:
        version = _meet(server, progress)
        models = server.models()
        _check_name(wanted.name, models, may_replace)
        blobs = _blobs(build, wanted, progress)
        request = create_request(wanted.commands, str(wanted.name), blobs)
        _check_version(version, request)
        _upload(server, models, wanted, blobs, progress)
        server.create(request, progress)
        place = Place(str(wanted.name), url)
        write_json(build.at.installed, vars(place))
    return build, wanted, place


def _meet(server: Ollama, progress: Progress) -> str:
    version = server.version()
    progress.stage(f"Ollama {version}", server.url)
    if not is_this_machine(server.url):
        progress.warn(
            "the server runs on another machine: the model, and with it what it learned of your "
            "documents, is sent there"
        )
    return version


def what_is_wanted(build: Build, name: str, level: str, progress: Progress) -> Wanted:
    """Read a build's Modelfile, for another level if one is named. Raises LocaltuneError."""
    gguf = shipped(build, level)
    commands = _commands(build.at.modelfile)
    if level:
        commands = _with_file(commands, gguf)
    files = {
        command.value: build.at.folder / Path(command.value).expanduser()
        for command in commands
        if command.name in ("FROM", "ADAPTER")
    }
    for value, file in list(files.items()):
        if not file.is_file():
            _check_it_is_a_model(value, file)
            del files[value]
    return Wanted(_name(build, name, progress), gguf, tuple(commands), files)


def _commands(modelfile: Path) -> list[Command]:
    try:
        return parse(modelfile.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{modelfile} is no text of UTF-8.", "Save it as UTF-8.") from error


def _with_file(commands: list[Command], gguf: Path) -> list[Command]:
    """Put another file behind the first FROM."""
    first = next(n for n, command in enumerate(commands) if command.name == "FROM")
    changed = replace(commands[first], value=f"./{gguf.name}")
    return [*commands[:first], changed, *commands[first + 1 :]]


def _check_it_is_a_model(value: str, file: Path) -> None:
    """Refuse what looks like a file that isn't there, which Ollama would try to fetch."""
    if value.startswith((".", "/", "~")) or value.endswith(".gguf"):
        raise InputError(f"{file} isn't there; the Modelfile names it.", "Run the build again.")


def _name(build: Build, name: str, progress: Progress) -> Name:
    if name:
        return read_name(name)
    valid = valid_name(build.at.name)
    if valid != build.at.name:
        progress.note(f"it is called {valid} in Ollama, as {build.at.name} is no usual name there")
    return read_name(valid)


def _check_name(name: Name, models: list[str], may_replace: Callable[[str], bool]) -> None:
    if any(name.same(split_name(model)) for model in models) and not may_replace(str(name)):
        raise InputError(
            f"Ollama has a model {name} already.",
            "`localtune install` puts it in that place with --replace, or takes another --name.",
        )


def _check_version(version: str, request: dict[str, Any]) -> None:
    oldest, why = oldest_version(request)
    known = read_version(version)
    if known and known < oldest:
        wanted = ".".join(map(str, oldest))
        raise ServerError(
            f"Ollama {version} is too old for this model: {why}.",
            f"Update it to {wanted} or later (https://ollama.com/download).",
        )


def _blobs(build: Build, wanted: Wanted, progress: Progress) -> dict[str, Blob]:
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
    models: list[str],
    wanted: Wanted,
    blobs: dict[str, Blob],
    progress: Progress,
) -> None:
    """Bring the files to the server that it hasn't, if there is room."""
    files = {file: blobs[value].digest for value, file in wanted.files.items()}
    missing = {file: digest for file, digest in files.items() if not server.has_blob(digest)}
    _check_room(server.url, models, wanted, list(missing), progress)
    for file, digest in missing.items():
        if server.upload(file, digest, progress):
            progress.note(f"{file.name} uploaded, {size(file.stat().st_size)}")


def _check_room(
    url: str, models: list[str], wanted: Wanted, missing: list[Path], progress: Progress
) -> None:
    """Refuse what can't fit on the server's disk: the upload, and what is made of it."""
    whole = sum(file.stat().st_size for file in wanted.files.values())
    needed = whole + sum(file.stat().st_size for file in missing)
    store = store_of(models) if is_this_machine(url) else None
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


def place_of(build: Build) -> Place | None:
    """Return where a build was installed last, None where that isn't known."""
    try:
        kept = read_json(build.at.installed)
        return Place(str(kept["name"]), str(kept["url"]))
    except (InputError, KeyError, TypeError):  # it was never installed, or the file is spoilt
        return None


def reinstall(
    folder: Path, may_replace: Callable[[str], bool], progress: Progress
) -> tuple[Build, Wanted, Place]:
    """Install a build again, under the name and in the server of the last time.

    Its own model there is replaced; without a last time it is installed as `install` does it.
    Raises LocaltuneError.
    """
    place = place_of(open_build(folder))
    if place is None:
        return install(folder, "", "", "", may_replace, progress)
    return install(folder, place.name, place.url, "", lambda _: True, progress)


def uninstall(model: str, host: str) -> Place:
    """Take a model, or a build's, out of an Ollama server; the build's files stay.

    A build is looked for under the name and in the server it was installed to last. Raises
    LocaltuneError.
    """
    build = open_build(Path(model)) if _is_build(model) else None
    place = place_of(build) if build else None
    if place is None:
        place = Place(valid_name(build.at.name) if build else model, "")
    name, url = read_name(place.name), server_url(host or place.url)
    with Ollama(url) as server:
        server.version()
        models = server.models()
        found = next((known for known in models if name.same(split_name(known))), None)
        if found is None:
            there = f"It has {', '.join(models)}." if models else "It has none."
            raise InputError(f"Ollama at {url} has no model {name}.", there)
        server.delete(found)
    if build and place_of(build) == Place(place.name, url):
        build.at.installed.unlink()
    return Place(found, url)


def _is_build(model: str) -> bool:
    return (Path(model).expanduser() / "work" / "build.json").is_file()


def llama_server(folder: Path, level: str, port: int, context: int) -> list[str]:
    """Return the command line of a `llama-server` for a build; `context` 0 is the Modelfile's.

    Raises LocaltuneError, also where the model was trained on less than `context`.
    """
    from localtune.runtimes.llama import read_header
    from localtune.runtimes.llama_command import context_for, llama_command

    build = open_build(folder)
    gguf, adapter = files_of(build, shipped(build, level))
    request = create_request(_commands(build.at.modelfile), "", {})
    known = request.get("parameters", {}).get("num_ctx", 0)
    upon = ["--lora", str(adapter)] if adapter else []
    tokens = context_for(context, read_header(gguf).context) if context else known
    return [*llama_command(gguf, build.at.name, port, tokens), *upon]
