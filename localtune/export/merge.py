"""Base and adapter -> one folder of transformers' format, for those who want it. Streams too."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np

from localtune.errors import ExportError
from localtune.export.read.arrays import Array
from localtune.export.read.config_json import Config, read_config
from localtune.export.read.merged import Merged
from localtune.export.read.tensors import INDEX
from localtune.export.write.blocks import BLOCK
from localtune.export.write.safetensors_file import Piece, Raw, narrow, write_safetensors
from localtune.progress import Progress, Silent
from localtune.workspace import temporary_path

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", INDEX)
OF_TOKENIZER = ("tokenizer*", "chat_template*", "special_tokens_map.json", "added_tokens.json")


def merge(base: Path, adapter: Path, out: Path, progress: Progress = Silent()) -> None:
    """Write base and adapter merged into `out`, a new folder, in the base's own types.

    The tokenizer and the chat template are the adapter's, if it brings them. Raises ExportError,
    also where `out` exists; DiskFullError.
    """
    here = out.resolve() == Path.cwd()  # which can't be put in the place of another folder
    if out.exists() and (here or not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists already.", "Name another folder with --to.")
    config = read_config(base)
    merged = Merged(base, adapter, config, "transformer.")
    with temporary_path(out) as folder:
        folder.mkdir(parents=True)
        _copy(base, adapter, folder)
        _write_weights(merged, folder / "model.safetensors", progress)
        _untie(merged, folder / "config.json")
        if out.is_dir():
            out.rmdir()
        folder.replace(out)


def _copy(base: Path, adapter: Path, folder: Path) -> None:
    """Copy what isn't weights."""
    for file in base.iterdir():
        if file.is_file() and not file.name.endswith(WEIGHTS):
            shutil.copyfile(file, folder / file.name)
    for pattern in OF_TOKENIZER:
        for file in adapter.glob(pattern):
            shutil.copyfile(file, folder / file.name)


def _write_weights(merged: Merged, file: Path, progress: Progress) -> None:
    """Write one safetensors file in blocks of rows."""
    names = {merged.stored_name(name): name for name in merged.names()}
    sizes = {stored: (merged.kind(name), merged.shape(name)) for stored, name in names.items()}
    pieces = [piece for stored, name in names.items() for piece in _pieces(merged, stored, name)]
    write_safetensors(file, sizes, pieces, progress, "merge")


def _pieces(merged: Merged, stored: str, name: str) -> list[Piece]:
    def read(rows: slice) -> Raw:
        return narrow(_rows(merged, name, rows), merged.kind(name))

    shape, step = merged.shape(name), _step(merged, name)
    starts = range(0, shape[0] if shape else 1, step)
    return [Piece(stored, first, partial(read, slice(first, first + step))) for first in starts]


def _step(merged: Merged, name: str) -> int:
    """Return how many rows make a block; what lies across the rows is one block."""
    shape = merged.shape(name)
    if merged.turned(name) or len(shape) < 2:
        return max(1, shape[0] if shape else 1)
    return max(1, BLOCK // int(np.prod(shape[1:])))


def _rows(merged: Merged, name: str, rows: slice) -> Array:
    if merged.turned(name):
        return np.ascontiguousarray(merged.rows(name, slice(None), turned=True).T)
    return merged.rows(name, rows)


def _untie(merged: Merged, file: Path) -> None:
    """Say so where the adapter gave the head weights of its own."""
    config: Config = json.loads(file.read_text(encoding="utf-8"))
    if merged.has_own_head():
        for part in (config, config.get("text_config") or {}):
            part["tie_word_embeddings"] = False
        file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
