"""A build's Modelfile -> what is installed: its commands, and the files that they name.

A build folder may come from someone else, so its Modelfile doesn't decide which files of this
machine are sent to a server: only GGUF files inside the build folder, and the build's base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from localtune.build.job import Build
from localtune.build.models import base_gguf
from localtune.build.open_build import shipped
from localtune.errors import BaseModelError, InputError
from localtune.ollama.modelfile_grammar import Command, parse
from localtune.ollama.name import Name, read_name, valid_name
from localtune.progress import Progress

MAGIC = b"GGUF"


@dataclass(frozen=True)
class InstallRequest:
    """What is to be installed: the Modelfile's commands, and the files they name.

    `gguf` is the file that the build ships, `level` its level, "" where it has none.
    """

    name: Name
    gguf: Path
    level: str
    commands: tuple[Command, ...]
    files: dict[str, Path]


def what_is_wanted(build: Build, name: str, level: str, progress: Progress) -> InstallRequest:
    """Read a build's Modelfile, for another level if one is named. Raises LocaltuneError."""
    gguf = shipped(build, level)
    commands = commands_of(build)
    if level:
        commands = _with_file(commands, gguf)
    values = [command.value for command in commands if command.name in ("FROM", "ADAPTER")]
    named = {value: build.at.folder / Path(value).expanduser() for value in values}
    files = {value: _checked(build, file) for value, file in named.items() if file.is_file()}
    for value, file in named.items():
        if value not in files:
            _check_it_is_a_model(value, file)
    named_as = read_name(name) if name else _default_name(build, progress)
    return InstallRequest(named_as, gguf, level_of(build, gguf), tuple(commands), files)


def commands_of(build: Build) -> list[Command]:
    """Return the commands of a build's Modelfile. Raises InputError, RuntimeFileError."""
    modelfile = build.at.modelfile
    try:
        return parse(modelfile.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{modelfile} is no text of UTF-8.", "Save it as UTF-8.") from error


def level_of(build: Build, gguf: Path) -> str:
    """Return the level that a file of a build is, "" for a file of another name."""
    level = gguf.name.removeprefix(f"{build.at.name}-").removesuffix(".gguf")
    return level if gguf == build.at.level_gguf(level) else ""


def _with_file(commands: list[Command], gguf: Path) -> list[Command]:
    """Replace the file of the first FROM."""
    first = next(n for n, command in enumerate(commands) if command.name == "FROM")
    changed = replace(commands[first], value=f"./{gguf.name}")
    return [*commands[:first], changed, *commands[first + 1 :]]


def _checked(build: Build, file: Path) -> Path:
    """Return a file without links in its path. Raises InputError for one that may not be sent."""
    real = file.resolve()
    if not real.is_relative_to(build.at.folder.resolve()) and real != _base(build):
        raise InputError(
            f"The Modelfile names {file}, which is neither inside the build folder nor the "
            "build's base, so it isn't sent to Ollama.",
            "Copy the file into the build folder, or run `ollama create` yourself.",
        )
    try:
        with real.open("rb") as data:
            is_gguf = data.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise InputError(
            f"{file} can't be read: {error.strerror}.", "Make it readable, or build again."
        ) from error
    if not is_gguf:
        raise InputError(f"{file} is not a GGUF; the Modelfile names it.", "Run the build again.")
    return real


def _base(build: Build) -> Path | None:
    try:
        return base_gguf(build).resolve() if build.config.export.adapter_only else None
    except BaseModelError:
        return None


def _check_it_is_a_model(value: str, file: Path) -> None:
    """Refuse what looks like a missing file, which Ollama would try to download."""
    if value.startswith((".", "/", "~")) or value.endswith(".gguf"):
        raise InputError(f"{file} isn't there; the Modelfile names it.", "Run the build again.")


def _default_name(build: Build, progress: Progress) -> Name:
    valid = valid_name(build.at.name)
    if valid != build.at.name:
        progress.note(f"it is called {valid} in Ollama, as {build.at.name} is no usual name there")
    return read_name(valid)
