"""The safetensors files of a folder, read in blocks of rows. Pickled weights are never opened.

A block is mapped, copied and unmapped, so that memory holds no more of a file than one block.
Source of the format: the README of huggingface/safetensors: 8 bytes of length, a JSON header,
then the tensors' bytes in C order.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from localtune.errors import ExportError, UnsupportedError
from localtune.export.read.arrays import Array, Raw, widen
from localtune.export.read.config_json import read_json

INDEX = "model.safetensors.index.json"
WHOLE = ("model.safetensors", "adapter_model.safetensors")
TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
LONGEST_HEADER = 100_000_000  # bytes, as the safetensors library has it
AGAIN = "Fetch or save the model again."


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies: `kind` is safetensors' name of its type, `start` counts bytes."""

    file: Path
    kind: str
    shape: tuple[int, ...]
    start: int


class Tensors:
    """The tensors of a folder; nothing is read but the headers until it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Read the headers. Raises ExportError for what is missing, cut short or not safetensors.

        Files are those of an index, else model.safetensors or adapter_model.safetensors, else
        model*.safetensors, else all there are.
        """
        self._stored: dict[str, StoredTensor] = {}
        for file in _files(folder):
            self._stored.update(_read_header(file))
        if not self._stored:
            raise ExportError(
                f"{folder} holds no safetensors.", "Save the model with save_pretrained() first."
            )

    def names(self) -> list[str]:
        """Return the names of all tensors."""
        return list(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape as stored."""
        return self._stored[name].shape

    def kind(self, name: str) -> str:
        """Return safetensors' name of a tensor's type, such as "BF16"."""
        return self._stored[name].kind

    def raw(self, name: str) -> Raw:
        """Map one tensor as it is stored, BF16 as uint16. Copy what is to stay."""
        at = self._stored[name]
        if at.kind not in TYPES:
            raise UnsupportedError(
                f"The tensor {name!r} is stored as {at.kind}; the model is already quantized.",
                "Choose the model's F32, F16 or BF16 version.",
            )
        if not math.prod(at.shape):
            return np.empty(at.shape, TYPES[at.kind])
        return np.memmap(at.file, TYPES[at.kind], "r", at.start, at.shape)

    def read(self, name: str) -> Array:
        """Read one tensor as float32."""
        return widen(self.raw(name)).astype(np.float32, copy=True)


def _files(folder: Path) -> list[Path]:
    """Return the files that hold a model or an adapter."""
    if (folder / INDEX).is_file():
        return _named(folder, read_json(folder / INDEX).get("weight_map"))
    for name in WHOLE:  # beside which copies of another type may lie
        if (folder / name).is_file():
            return [folder / name]
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))


def _named(folder: Path, weight_map: Any) -> list[Path]:
    """Return the files of an index; raise ExportError for one that is missing or elsewhere."""
    names = set(weight_map.values()) if isinstance(weight_map, dict) else {None}
    for name in names:
        path = Path(name) if isinstance(name, str) else None
        if path is None or path.is_absolute() or ".." in path.parts:
            raise ExportError(f"{folder / INDEX} names {name!r}, no file of the folder.", AGAIN)
    files = [folder / str(name) for name in sorted(map(str, names))]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ExportError(f"{folder} lacks {', '.join(missing)}, which {INDEX} names.", AGAIN)
    return files


def _read_header(file: Path) -> dict[str, StoredTensor]:
    try:
        with file.open("rb") as data:
            length = int.from_bytes(data.read(8), "little")
            header = json.loads(data.read(length)) if length <= LONGEST_HEADER else None
            size = file.stat().st_size
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{file} can't be read: {error}.", AGAIN) from error
    if not isinstance(header, dict):
        raise ExportError(f"{file} is not a safetensors file.", AGAIN)
    header.pop("__metadata__", None)
    try:
        return {name: _stored(file, 8 + length, size, entry) for name, entry in header.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{file} has a broken header: {error}.", AGAIN) from error


def _stored(file: Path, offset: int, size: int, entry: dict[str, Any]) -> StoredTensor:
    start, end = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    kind = str(entry["dtype"])
    if kind in TYPES and end - start != math.prod(shape) * np.dtype(TYPES[kind]).itemsize:
        raise ValueError(f"{shape} of {kind} in {end - start} bytes")
    if not 0 <= start <= end or offset + end > size:
        raise ExportError(f"{file} is cut short: {size} bytes of {offset + end}.", AGAIN)
    return StoredTensor(file, kind, shape, offset + start)
