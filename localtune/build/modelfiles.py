"""The Modelfile of a GGUF, of a folder of transformers' format, or of a build."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import localtune
from localtune.errors import InputError, UnsupportedError
from localtune.formatting import plural
from localtune.links import WEIGHTS, check_model
from localtune.workspace import read_jsonl

if TYPE_CHECKING:
    from localtune.build.steps import Build
    from localtune.llama.header import Header

BYTES_PER_TOKEN = 3  # few enough for every language
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")


def modelfile_of(source: Path) -> str:
    """Return the Modelfile that would be written. Raises LocaltuneError."""
    from localtune.ollama.modelfile import modelfile_text

    if (source / "work" / "build.json").is_file():
        return _of_build(source)
    if (source / "config.json").is_file():
        return _of_folder(source.resolve())
    if source.is_file():
        return modelfile_text(source)
    raise InputError(
        f"{source} is no GGUF, no model of transformers' format and no build.",
        "Give a .gguf file, a folder with a config.json, or a build folder.",
    )


def _of_build(folder: Path) -> str:
    from localtune.build import adapter_only
    from localtune.build.open_build import open_build, shipped
    from localtune.ollama.modelfile import modelfile_text

    build = open_build(folder)
    if build.config.export.adapter_only:
        return adapter_only.modelfile_text(build)
    made, licence = made_from(build), licence_of(build.at.base)
    said = (made, licence, build.config.chat.system)
    return modelfile_text(shipped(build), *said, exact=True, lesson_tokens=lesson_tokens(build))


def _of_folder(folder: Path) -> str:
    from localtune.ollama.modelfile import text_of_header

    check_model(folder)
    out = Path(f"{folder.name}.gguf")
    made = f"First: localtune convert {folder} --to {out}"
    return text_of_header(header_of(folder), out, made, licence_of(folder))


def header_of(folder: Path, template: str | None = None) -> Header:
    """Return the header that a model of transformers' format gets as GGUF.

    `template` is another chat template than its own. Raises ExportError, RuntimeFileError.
    """
    from localtune.export.unpack.gguf_source import SOURCE
    from localtune.export.write.master import export_vocabulary
    from localtune.llama.llama import read_header

    if (folder / SOURCE).exists():  # it was made from a GGUF
        header = read_header(folder / SOURCE)
        return replace(header, template=template or header.template)
    with tempfile.TemporaryDirectory() as temporary:
        gguf = Path(temporary) / f"{folder.name}.gguf"
        export_vocabulary(folder, gguf, template)
        header = read_header(gguf)
    return replace(header, template=template or header.template)


def comment_for(base: Path, template: str | None) -> str:
    """Return what must stand in front of a chat template, so that Ollama takes it for no other.

    Nothing where a Go template does the same, or where another converter writes the file.
    """
    from localtune.ollama.chosen_template import choose
    from localtune.ollama.modelfile import UNLIKE

    try:
        header = header_of(base, template)
    except UnsupportedError:
        return ""
    return "" if choose(header) else UNLIKE


def made_from(build: Build) -> str:
    """Say in one line what a build's model was made from."""
    learned = (build.at.passages, build.at.chats)
    documents = len({row["document"] for file in learned for row in read_jsonl(file)})
    upon = Path(build.config.base.base).name
    return (
        f"Made by localtune {localtune.__version__} from {plural(documents, 'document')} "
        f"upon the base {upon}."
    )


def lesson_tokens(build: Build) -> int:
    """Estimate the tokens of the longest lesson that is a chat; 0 without lessons.

    Bytes are counted, BYTES_PER_TOKEN each: characters are more in some languages than in others.
    """
    rows = read_jsonl(build.at.lessons) if build.at.lessons.exists() else ()
    chats = (row.get("messages", ()) for row in rows)
    sizes = (sum(len(said["content"].encode()) for said in messages) for messages in chats)
    tokens = max(sizes, default=0) // BYTES_PER_TOKEN
    return min(tokens, build.config.train.max_length or tokens)


def licence_of(folder: Path) -> str:
    """Return the text of the licence that lies in a folder, "" where there is none."""
    found = [file for pattern in LICENCES for file in sorted(folder.glob(pattern))]
    # Links to weights may lead anywhere, whatever they are called.
    texts = [file for file in found if file.is_file() and file.suffix not in WEIGHTS]
    return texts[0].read_text("utf-8", "replace") if texts else ""
