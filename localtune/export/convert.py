"""A model of transformers' format, with an adapter or without -> GGUF, by whichever converter can.

Our own writes the families it declares; what is outside them llama.cpp's own script writes.
"""

from __future__ import annotations

import os
from pathlib import Path

from localtune.errors import ExportError, UnsupportedError
from localtune.export.llama_cpp.script import convert_with_script
from localtune.export.merge import merge
from localtune.export.read.config_json import read_config
from localtune.export.write.master import export_master
from localtune.links import check_model
from localtune.progress import Progress, Silent
from localtune.workspace import temporary_path

CONVERTERS = ("auto", "own", "llama.cpp")
KINDS = ("bf16", "f16", "f32")


def convert(
    model: Path,
    out: Path,
    *,
    adapter: Path | None = None,
    kind: str = "bf16",
    name: str = "",
    converter: str = "auto",
    template: str | None = None,
    comment: str = "",
    offline: bool = False,
    progress: Progress = Silent(),
) -> str:
    """Write a model as GGUF and return the converter that did it, "own" or "llama.cpp".

    `kind` is the type of the matrices: bf16, f16 or f32; `template` the chat template where
    neither model nor adapter has one, `comment` what stands in front of it (both own only). Raises
    ExportError, DiskFullError.
    """
    check_folders(model, adapter)
    check_target(out, model, adapter)
    name = name or model.resolve().name
    if converter != "llama.cpp":
        try:
            export_master(
                model,
                adapter,
                out,
                name,
                kind=kind,
                template=template,
                comment=comment,
                progress=progress,
            )
            return "own"
        except UnsupportedError as error:
            if converter == "own":
                raise
            progress.note(f"{error.message} llama.cpp's own converter is asked.")
    if adapter is None:
        convert_with_script(model, out, kind, name, progress, offline=offline)
        return "llama.cpp"
    with temporary_path(out) as folder:
        merge(model, adapter, folder, progress)
        convert_with_script(folder, out, kind, name, progress, offline=offline)
    return "llama.cpp"


def check_folders(model: Path, adapter: Path | None) -> None:
    """Raise ExportError unless both are folders of the right kind; InputError for a link out."""
    if not model.is_dir():
        raise ExportError(
            f"There is no folder {model}.", "Give a folder saved by save_pretrained()."
        )
    check_model(model)
    read_config(model)
    if adapter is None:
        return
    if not (adapter / "adapter_config.json").is_file():
        raise ExportError(
            f"{adapter} holds no adapter_config.json.", "Give the folder of a PEFT adapter."
        )
    check_model(adapter)


def check_target(out: Path, model: Path, adapter: Path | None) -> None:
    """Raise ExportError where no file can be written, or only over something that isn't a GGUF.

    A device such as /dev/null would be replaced by a file, and a base's weights by the GGUF.
    """
    over = out.exists() or out.is_symlink()
    if over and not out.is_file():
        raise ExportError(f"{out} is no file.", "Name a file with --to, such as model.gguf.")
    inputs = [folder.resolve() for folder in (model, adapter) if folder]
    if over and out.suffix != ".gguf" and out.parent.resolve() in inputs:
        raise ExportError(f"{out} belongs to the model.", "Name a new file with --to.")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ExportError(f"Nothing can be written into {folder}.", "Name another file with --to.")
