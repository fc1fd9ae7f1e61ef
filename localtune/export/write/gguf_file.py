"""Weights -> a GGUF file, in blocks of rows, by several threads. Knows nothing of families.

The header is written by the gguf package; the bytes of the tensors go where the header says, in
whatever order the threads finish them. Memory is that of a few blocks, whatever the model.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, Keys

from localtune.errors import ExportError
from localtune.export.read.arrays import Array
from localtune.export.read.merged import Merged
from localtune.export.unpack.metadata import Packed
from localtune.export.write.blocks import BLOCK, run_in_threads, to_bf16
from localtune.export.write.parts import Part, Written
from localtune.progress import Progress
from localtune.workspace import check_room

TYPES = {
    "bf16": GGMLQuantizationType.BF16,
    "f16": GGMLQuantizationType.F16,
    "f32": GGMLQuantizationType.F32,
}
BYTES = {
    GGMLQuantizationType.BF16: 2,
    GGMLQuantizationType.F16: 2,
    GGMLQuantizationType.F32: 4,
}
Bytes = npt.NDArray[Any]
_LENGTH = struct.Struct("<Q")


class PackedGGUFWriter(GGUFWriter):
    """gguf's writer, with lists of texts and of whole numbers packed at once, not one by one.

    A vocabulary of 150,000 tokens then takes 0.2 s, not 1.7 s. The names of several chat templates
    come in one order, not in that of a set, so that every run writes the same file.
    """

    def add_array(self, key: str, val: Any) -> None:
        """Add a list of values of one type."""
        super().add_array(key, sorted(val) if key == Keys.Tokenizer.CHAT_TEMPLATES else val)

    def _pack_val(
        self,
        val: Any,
        vtype: GGUFValueType,
        add_vtype: bool,
        sub_type: GGUFValueType | None = None,
    ) -> bytes:
        if isinstance(val, Packed):
            return (struct.pack("<I", vtype) if add_vtype else b"") + val
        kinds = set(map(type, val)) if vtype is GGUFValueType.ARRAY and sub_type is None else None
        if kinds == {str}:
            texts = [text.encode("utf-8") for text in val]
            packed = b"".join(_LENGTH.pack(len(text)) + text for text in texts)
            inner = GGUFValueType.STRING
        elif kinds == {int}:
            packed, inner = np.array(val, "<i4").tobytes(), GGUFValueType.INT32
        else:
            return bytes(super()._pack_val(val, vtype, add_vtype, sub_type))
        kind = struct.pack("<I", vtype) if add_vtype else b""
        return kind + struct.pack("<IQ", inner, len(val)) + packed


@dataclass(frozen=True)
class RowBlock:
    """Rows `start` to `stop` of a part, and where in the file they go, in bytes."""

    tensor: Written
    part: Part
    start: int
    stop: int
    offset: int


def write_tensors(
    writer: GGUFWriter,
    sizes: dict[str, int],
    tensors: list[Written],
    constants: dict[str, Array],
    merged: Merged,
    kind: str,
    progress: Progress,
) -> None:
    """Write header and tensors into the writer's file; `kind` is "bf16", "f16" or "f32".

    `sizes` is what `describe` returned. Raises DiskFullError before anything is written where
    there is no room.
    """
    assert writer.path is not None
    check_room(Path(writer.path).parent, sum(sizes.values()))
    offsets = write_header(writer, sizes)
    assert writer.fout is not None
    file = writer.fout[0].fileno()
    for name, constant in constants.items():
        os.pwrite(file, constant.tobytes(), offsets[name])
    blocks = [block for tensor in tensors for block in _blocks(tensor, merged, kind, offsets)]

    def write(block: RowBlock) -> None:
        type_ = _type(block.tensor, kind)
        data = _untouched(block, merged, type_)
        if data is None:
            data = _encoded(_rows(block, merged), type_, block.tensor.name)
        os.pwrite(file, data.reshape(-1).view(np.uint8).data, block.offset)

    run_in_threads(write, blocks, progress, f"export {kind}")


def check_numbers(tensors: list[Written], merged: Merged, progress: Progress) -> None:
    """Raise ExportError for a weight that is infinite or no number, before anything is written."""

    def check(block: RowBlock) -> None:
        raw = merged.raw(block.part.source)
        rows = (raw.T if block.tensor.turned else raw)[block.start : block.stop]
        if rows.dtype == np.uint16:  # an exponent of ones only
            bad = bool(((rows & 0x7F80) == 0x7F80).any())
        else:
            bad = not bool(np.isfinite(rows).all())
        if bad:
            raise _no_number(block.part.source)

    blocks = [b for t in tensors for b in _blocks(t, merged, "f32", {}, ordered=False)]
    run_in_threads(check, blocks, progress, "check")


def _no_number(name: str) -> ExportError:
    return ExportError(
        f"The tensor {name!r} holds weights that are infinite or not a number (NaN).",
        "Training went wrong, or the file is damaged; lower --learning-rate, or fetch it again.",
    )


def describe(
    writer: GGUFWriter, tensors: list[Written], constants: dict[str, Array], kind: str
) -> dict[str, int]:
    """Add every tensor's name, shape and type to a header; return {name: bytes}."""
    sizes: dict[str, int] = {}
    for name, constant in constants.items():
        writer.add_tensor_info(name, constant.shape, constant.dtype, constant.nbytes)
        sizes[name] = constant.nbytes
    for tensor in tensors:
        type_ = _type(tensor, kind)
        sizes[tensor.name] = math.prod(tensor.shape) * BYTES[type_]
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), sizes[tensor.name], type_
        )
    return sizes


def _type(tensor: Written, kind: str) -> GGMLQuantizationType:
    return GGMLQuantizationType.F32 if tensor.vector else TYPES[kind]


def write_header(writer: GGUFWriter, sizes: dict[str, int]) -> dict[str, int]:
    """Write all that stands before the tensors, make room, and return where each one begins."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None
    out, align = writer.fout[0], writer.data_alignment
    out.flush()
    at, offsets = GGUFWriter.ggml_pad(out.tell(), align), dict[str, int]()
    for name, size in sizes.items():
        offsets[name], at = at, at + GGUFWriter.ggml_pad(size, align)
    os.truncate(out.fileno(), at)  # what lies between tensors is zeros
    return offsets


def _blocks(
    tensor: Written, merged: Merged, kind: str, offsets: dict[str, int], ordered: bool = True
) -> Iterator[RowBlock]:
    """Cut a tensor into blocks of rows; a vector is one block.

    Without `ordered` the blocks are of the rows as they are stored.
    """
    offset = offsets.get(tensor.name, 0)
    width = 1 if len(tensor.shape) == 1 else tensor.shape[-1]
    size = BYTES[_type(tensor, kind)] * width
    step = max(1, BLOCK // width)
    for part in tensor.parts:
        stored = merged.shape(part.source)
        count = stored[-1] if tensor.turned else stored[0]
        count = len(part.rows) if ordered and part.rows is not None else count
        for start in range(0, count, step):
            stop = min(start + step, count)
            yield RowBlock(tensor, part, start, stop, offset)
            offset += (stop - start) * size


def _untouched(block: RowBlock, merged: Merged, type_: GGMLQuantizationType) -> Bytes | None:
    """Map a block whose bytes are written as they are stored; None for any other."""
    tensor, source = block.tensor, block.part.source
    moved = block.part.rows is not None or tensor.columns is not None or tensor.turned
    computed = tensor.plus_one or tensor.negative_exp or merged.changed(source)
    if moved or computed or merged.kind(source) != type_.name:
        return None
    return merged.raw(source)[block.start : block.stop]


def _rows(block: RowBlock, merged: Merged) -> Array:
    """Read a block's rows, merged and in GGUF's order."""
    tensor, order = block.tensor, block.part.rows
    rows = slice(block.start, block.stop) if order is None else order[block.start : block.stop]
    made = merged.rows(block.part.source, rows, turned=tensor.turned)
    if made.ndim > 2:
        made = made.reshape(len(made), -1)
    if tensor.columns is not None:
        made = made[:, tensor.columns]
    if tensor.plus_one:
        made = made + np.float32(1)
    if tensor.negative_exp:
        import torch  # its exp, so that the last bit is the script's too

        made = -torch.exp(torch.from_numpy(made)).numpy()
    return made


def _encoded(rows: Array, type_: GGMLQuantizationType, name: str) -> Bytes:
    """Return rows in a tensor's type; BF16 rounds to the nearest, ties to even."""
    if type_ is GGMLQuantizationType.BF16:
        return to_bf16(rows)
    if type_ is GGMLQuantizationType.F16:
        with np.errstate(over="ignore"):
            halves = rows.astype(np.float16)
        if not np.isfinite(halves).all():
            raise ExportError(
                f"{name} holds weights above 65,504, which F16 can't express.",
                "Use --type bf16, which can.",
            )
        return halves
    return np.ascontiguousarray(rows)
