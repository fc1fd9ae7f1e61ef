"""Which build a person means: a folder of documents to start from, or a build folder to open."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from localtune.bases.sources import system_of
from localtune.build.job import ADAPTER, AGAIN, Build
from localtune.build.kept_base import kept
from localtune.config.file import from_dict
from localtune.config.stages import BuildConfig, ChatConfig, CorpusConfig
from localtune.errors import ConfigError, InputError
from localtune.llama.level_names import check_levels
from localtune.ollama.modelfile_grammar import parse
from localtune.progress import Progress
from localtune.workspace import (
    PRIVATE_FOLDER,
    Workspace,
    no_room_is_an_error,
    read_json,
    read_jsonl,
)

Row = dict[str, Any]
# Keys of build.json, by table, that older versions wrote.
OLD_KEYS = {
    "exam": ("seed",), "lessons": ("seed",), "train": ("seed",), "quantize": ("pure", "keep"),
}  # fmt: skip


def start(docs: Path, out: Path | None, config: BuildConfig) -> Build:
    """Choose name and folder of a build and refuse what can't work, before anything is written.

    Raises InputError, ConfigError, BaseModelError.
    """
    docs = check_documents(docs)
    name = check_name(config.name) if config.name else slug(docs.name)
    folder = out.expanduser().absolute() if out else default_folder(docs, name)
    check_apart(docs, folder, name)
    check_ours(folder)
    build = Build(docs, _with_system(config), Workspace(folder, name))
    build.at.check_links()
    return replace(build, config=kept(build.config, build.at))


def _with_system(config: BuildConfig) -> BuildConfig:
    """Take over the system prompt of a base in Ollama whose adapter is shipped alone.

    A model made FROM that base keeps the prompt, so lessons and exam need it too.
    """
    if config.chat.system or not config.export.adapter_only:
        return config
    return replace(config, chat=ChatConfig(system_of(config.base)))


def read_documents(
    docs: Path, out: Path | None, config: CorpusConfig, progress: Progress
) -> tuple[list[Row], list[Row]]:
    """Read documents without a build; return the rows of documents.jsonl and removed.jsonl.

    With `out` the files stay there. Raises InputError.
    """
    from localtune.corpus import Artefacts, read_corpus

    docs = check_documents(docs)
    out = _folder_for(out, docs) if out else None
    with tempfile.TemporaryDirectory() as temporary, no_room_is_an_error(out or Path(temporary)):
        files = Artefacts.below(out or Path(temporary))
        read_corpus(docs, files, config, progress)
        return list(read_jsonl(files.documents)), list(read_jsonl(files.removed))


def _folder_for(out: Path, docs: Path) -> Path:
    """Make the folder that cleaned documents go to; refuse one that holds other things."""
    out = out.expanduser().absolute()
    check_apart(docs, out, out.name)
    ours = {f"{name}.jsonl" for name in ("documents", "passages", "chats", "removed")}
    try:
        out.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        others = {path.name for path in out.iterdir()} ^ ours
    except OSError as error:
        raise InputError(
            f"{out}: {error.strerror}.", "Choose another folder with --out."
        ) from error
    if others not in (set(), ours):
        raise InputError(
            f"{out} holds other files, which could be overwritten.",
            "Choose a folder with --out that is empty or not there yet.",
        )
    return out


def check_documents(docs: Path) -> Path:
    """Return the folder of documents; raise InputError where it is none."""
    if not docs.is_dir():
        what = "is a file, not a folder" if docs.exists() else "isn't there"
        raise InputError(f"{docs} {what}.", "Give the folder that your documents lie in.")
    return docs.resolve()


def slug(text: str) -> str:
    """Return a name that Ollama and every file system take: a-z, 0-9, "-" and "."."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", ascii_text).strip("-.")[:60] or "model"


def check_name(name: str) -> str:
    """Return a name a person chose; raise ConfigError where Ollama wouldn't take it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise ConfigError(
            f"--name is {name!r}, but only letters, digits, '.', '_' and '-' will do.",
            f"Try --name {slug(name)}.",
        )
    return name


def default_folder(docs: Path, name: str) -> Path:
    """Return ./NAME, or ./NAME-model where ./NAME is the folder of documents itself."""
    folder = Path.cwd() / name
    return Path.cwd() / f"{name}-model" if folder.resolve() == docs else folder


def check_apart(docs: Path, folder: Path, name: str) -> None:
    """Refuse a build folder whose files would be read as documents."""
    real = folder.resolve()
    if real.is_relative_to(docs):
        where = "is" if real == docs else "lies inside"
        raise InputError(
            f"The build folder {folder} {where} the folder of documents, "
            "so the build would read its own output.",
            f"Choose another one: --out {docs.parent / (name + '-model')}",
        )
    if docs.is_relative_to(real / "work"):
        raise InputError(
            f"The documents lie inside {real / 'work'}, where a build keeps its own files.",
            "Move the documents, or choose another --out.",
        )


def check_ours(folder: Path) -> None:
    """Refuse a folder that holds something else than a build, so that nothing is overwritten."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file, so nothing can be built there.",
            "Choose another folder with --out.",
        )
    if not folder.is_dir() or (folder / "work" / "build.json").exists():
        return
    # A build that was killed at its first breath leaves an empty work folder, no more.
    if any(path.name != "work" for path in folder.iterdir()):
        raise InputError(
            f"{folder} holds files that no build wrote; they could be overwritten.",
            "Choose another folder with --out.",
        )


def open_build(folder: Path) -> Build:
    """Open a build folder as its last build left it; another person may have made it.

    Raises InputError, also where a link in it leads out or a name in its files is not valid.
    """
    folder = folder.expanduser().absolute()
    at = Workspace(folder, "")
    at.check_links()
    if not at.settings.is_file():
        raise InputError(
            f"{folder} is not a build folder.",
            "Make one with `localtune build DOCUMENTS --out FOLDER`, or give the "
            "folder that holds the Modelfile.",
        )
    documents, name, config = _settings(at.settings)
    return Build(documents, config, Workspace(folder, name))


def _settings(file: Path) -> tuple[Path, str, BuildConfig]:
    """Return documents, name and configuration from build.json, under the rules for options."""
    kept = read_json(file)
    try:
        documents, name = str(kept["documents"]), check_name(kept["name"])
        config = from_dict(_without_old_keys(kept["config"]), str(file))
        check_levels(config.quantize.levels)
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise InputError(
            f"{file} can't be used: {error}", "Run `localtune build` again, with a valid --name."
        ) from error
    if not documents.isprintable():
        raise InputError(
            f"{file} names a folder of documents that can't be printed: {documents!r}.",
            "Run `localtune build` again.",
        )
    return Path(documents), name, config


def _without_old_keys(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration of build.json without the keys that only older versions had.

    The seed of an older build is that of its exam.
    """
    seed = {"seed": config["exam"]["seed"]} if "seed" in config.get("exam", {}) else {}
    return seed | {
        table: {k: value for k, value in values.items() if k not in OLD_KEYS[table]}
        if table in OLD_KEYS
        else values
        for table, values in config.items()
    }


def shipped(build: Build, level: str = "") -> Path:
    """Return a level's GGUF: the named one, else the one the Modelfile points to.

    Raises InputError, and RuntimeFileError for a Modelfile that can't be read.
    """
    if build.config.export.adapter_only and not level:
        level = ADAPTER
    if level == ADAPTER:
        path = build.at.level_gguf(ADAPTER)
        hint = AGAIN
    elif level:
        path = build.at.level_gguf(level)
        hint = f"Make it with `localtune quantize {quote(str(build.at.folder))} --to {level}`."
    else:
        path = _from_modelfile(build.at.modelfile)
        hint = AGAIN
    if not path.is_file():
        raise InputError(f"{path} isn't there.", hint)
    return path


def _from_modelfile(modelfile: Path) -> Path:
    """Return the file behind the first FROM, the Modelfile itself where there is none.

    Raises InputError for a FROM that leads out of the build folder.
    """
    if not modelfile.exists():
        return modelfile
    commands = parse(modelfile.read_text(encoding="utf-8", errors="replace"))
    named = [command.value for command in commands if command.name == "FROM"]
    path = modelfile.parent / named[0] if named else modelfile
    if not path.resolve().is_relative_to(modelfile.parent.resolve()):
        raise InputError(
            f"FROM in {modelfile} names {named[0]!r}, which is outside of the build folder.",
            "Write the name of a GGUF file in the build folder behind FROM.",
        )
    return path
