"""Weights -> one safetensors file, in blocks of rows, by several threads.

Source of the format: the README of huggingface/safetensors: 8 bytes of length, a JSON header,
then the tensors' bytes in C order.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.export.read.arrays import Array
from localtune.export.write.blocks import run_in_threads, to_bf16
from localtune.progress import Progress
from localtune.workspace import check_room

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
Raw = npt.NDArray[Any]


@dataclass(frozen=True)
class Piece:
    """Rows of a weight from `first` on, and how they are read, in the weight's own type."""

    name: str
    first: int
    read: Callable[[], Raw]


def write_safetensors(
    file: Path,
    sizes: dict[str, tuple[str, tuple[int, ...]]],
    pieces: Sequence[Piece],
    progress: Progress,
    label: str,
) -> None:
    """Write {name: (safetensors' type, shape)} out of pieces, which come in any order.

    Raises DiskFullError before anything is written where there is no room.
    """
    starts, header, size = _header(sizes)
    check_room(file.parent, size)
    with file.open("wb") as out:
        out.write(header)
        out.truncate(len(header) + size)
        out.flush()
        number = out.fileno()

        def write(piece: Piece) -> None:
            kind, shape = sizes[piece.name]
            row = BYTES[kind] * math.prod(shape[1:])
            offset = len(header) + starts[piece.name] + piece.first * row
            os.pwrite(number, piece.read().tobytes(), offset)

        run_in_threads(write, pieces, progress, label)


def _header(sizes: dict[str, tuple[str, tuple[int, ...]]]) -> tuple[dict[str, int], bytes, int]:
    """Return where each weight begins behind the header, the header, and the weights' bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    starts, at = dict[str, int](), 0
    for name, (kind, shape) in sizes.items():
        size = BYTES[kind] * math.prod(shape)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        starts[name], at = at, at + size
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return starts, len(text).to_bytes(8, "little") + text, at


def narrow(rows: Array, kind: str) -> Raw:
    """Return float32 in safetensors' type; BF16 rounds to the nearest, ties to even."""
    if kind == "BF16":
        return to_bf16(rows)
    return rows.astype({"F64": np.float64, "F32": np.float32, "F16": np.float16}[kind])
