"""The Modelfile of a GGUF, of a folder of transformers' format, or of a build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from localtune.build.headers import header_of
from localtune.build.modelfiles import lesson_tokens, licence_of, made_from
from localtune.errors import InputError
from localtune.links import check_model


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
    from localtune.ollama.modelfile import UNLIKE, text_of_header

    check_model(folder)
    out = Path(f"{folder.name}.gguf")
    made = f"First: localtune convert {folder} --to {out}"
    header = header_of(folder)
    if header.template:  # `convert` writes the comment
        header = replace(header, template=UNLIKE + header.template)
    return text_of_header(header, out, made, licence_of(folder))
