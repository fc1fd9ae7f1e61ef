"""A GGUF file as it lies on the disk: metadata, and tensors in blocks of rows as float32.

gguf's own reader holds an array per token (half a minute and 1 GB for a vocabulary of 150,000);
here a value is decoded when it is asked for. Source: docs/gguf.md of ggml, and gguf/quants.py of
the gguf package 0.19, which undoes every type that llama.cpp quantizes to.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from localtune.errors import BaseModelError
from localtune.export.read.arrays import Array, widen

Index = npt.NDArray[np.intp]
NUMBERS = dict(enumerate("BbHhIif?")) | {
    10: "Q",
    11: "q",
    12: "d",
}  # GGUF's kinds, struct's letters
TEXT, LIST = 8, 9
VERSIONS = (2, 3)  # the first wrote shorter counts, and went away in 2023
MOST_DIMENSIONS = 4
SOURCE = "base.gguf"  # in a base's folder: a link to the GGUF that it was made from
PLAIN = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # BF16 as its bits
AGAIN = "Fetch or copy the file again."


@dataclass(frozen=True)
class MetadataEntry:
    """One metadata value: GGUF's number for its type, and where its bytes begin and end."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True)
class GgufTensor:
    """One tensor: `shape` is numpy's, `start` and `size` count bytes in the file."""

    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    start: int
    size: int

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one row; a vector is one row."""
        block, size = GGML_QUANT_SIZES[self.kind]
        return self.shape[-1] // block * size

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return math.prod(self.shape[:-1])


class GgufSource:
    """A GGUF's header, checked against the file's size. Weights are read when asked for."""

    def __init__(self, file: Path) -> None:
        """Read the header. Raises BaseModelError for a file that is none, too old or cut short."""
        self.file = file
        try:
            with file.open("rb") as data:
                self._bytes = _mapped(data.fileno())
        except OSError as error:
            raise BaseModelError(f"{file} can't be read: {error.strerror}.", AGAIN) from error
        if self._bytes[:4] != b"GGUF":
            raise BaseModelError(f"{file} is no GGUF file.", "Give a file that ends in .gguf.")
        try:
            self._read()
        except (struct.error, ValueError, KeyError, RecursionError) as error:
            raise BaseModelError(f"The header of {file} is broken: {error}.", AGAIN) from error
        self._check_size()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a metadata value, `default` where the file hasn't that key.

        Raises BaseModelError for a text that isn't UTF-8.
        """
        entry = self.entries.get(key)
        try:
            return default if entry is None else _value(self._bytes, entry.kind, entry.start)[0]
        except UnicodeDecodeError as error:
            raise BaseModelError(f"{self.file}: {key} is broken: {error}.", AGAIN) from error

    def raw(self, key: str) -> tuple[int, bytes]:
        """Return a metadata value as it is stored: GGUF's number for its type, and its bytes."""
        entry = self.entries[key]
        return entry.kind, self._bytes[entry.start : entry.end]

    def rows(self, name: str, rows: slice | Index) -> Array:
        """Return rows of a tensor as float32, (rows, width); those of experts count on."""
        stored = self.tensors[name]
        data = self._mapped(stored)[rows]
        if stored.kind.name in PLAIN:
            return widen(data.view(PLAIN[stored.kind.name]))
        return np.asarray(dequantize(data, stored.kind), np.float32)

    def _mapped(self, stored: GgufTensor) -> npt.NDArray[np.uint8]:
        shape = (stored.count, stored.row_bytes)
        return np.memmap(self.file, np.uint8, "r", stored.start, shape)

    def _read(self) -> None:
        (version,) = struct.unpack_from("<I", self._bytes, 4)
        if version not in VERSIONS:
            raise ValueError(f"its version is {version}, and only {VERSIONS} are known")
        tensors, values = struct.unpack_from("<QQ", self._bytes, 8)
        self.entries: dict[str, MetadataEntry] = {}
        at = 24
        for _ in range(values):
            key, at = _text(self._bytes, at)
            (kind,) = struct.unpack_from("<I", self._bytes, at)
            end = _skip(self._bytes, kind, at + 4)
            self.entries[key] = MetadataEntry(kind, at + 4, end)
            at = end
        found = [*_tensors(self._bytes, at, tensors)]
        at = found[-1][-1] if found else at
        align = int(self.get("general.alignment", 32))
        data = at + -at % align
        self.tensors = {name: _stored(k, shape, data + start) for name, k, shape, start, _ in found}

    def _check_size(self) -> None:
        wanted = max((one.start + one.size for one in self.tensors.values()), default=0)
        if wanted > len(self._bytes):
            raise BaseModelError(
                f"{self.file} is cut short: {len(self._bytes):,} bytes of {wanted:,}.", AGAIN
            )


def _mapped(number: int) -> mmap.mmap:
    try:
        return mmap.mmap(number, 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file can't be mapped
        return mmap.mmap(-1, 4)


def _text(data: mmap.mmap, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + size
    if end > len(data):
        raise ValueError("it ends within a text")
    return data[at + 8 : end].decode("utf-8"), end


def _skip(data: mmap.mmap, kind: int, at: int) -> int:
    """Return where a value ends that begins at `at`."""
    if kind == TEXT:
        (size,) = struct.unpack_from("<Q", data, at)
        end = at + 8 + size
    elif kind == LIST:
        inner, count = struct.unpack_from("<IQ", data, at)
        end = at + 12
        if inner in NUMBERS:
            end += count * struct.calcsize(f"<{NUMBERS[inner]}")
        else:
            for _ in range(count):
                end = _skip(data, inner, end)
    else:
        end = at + struct.calcsize(f"<{NUMBERS[kind]}")
    if end > len(data):
        raise ValueError("it ends within a value")
    return end


def _value(data: mmap.mmap, kind: int, at: int) -> tuple[Any, int]:
    """Return a value and where it ends."""
    if kind == TEXT:
        return _text(data, at)
    if kind != LIST:
        letter = f"<{NUMBERS[kind]}"
        return struct.unpack_from(letter, data, at)[0], at + struct.calcsize(letter)
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in NUMBERS:
        letters = f"<{count}{NUMBERS[inner]}"
        return list(struct.unpack_from(letters, data, at)), at + struct.calcsize(letters)
    found = []
    for _ in range(count):
        one, at = _value(data, inner, at)
        found.append(one)
    return found, at


def _tensors(
    data: mmap.mmap, at: int, count: int
) -> Iterator[tuple[str, int, tuple[int, ...], int, int]]:
    """Yield name, type, shape, place behind the header, and where the description ends."""
    for _ in range(count):
        name, at = _text(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise ValueError(f"{name} has {dimensions} dimensions")
        letters = f"<{dimensions}QIQ"
        *shape, kind, start = struct.unpack_from(letters, data, at + 4)
        at += 4 + struct.calcsize(letters)
        yield name, kind, tuple(reversed(shape)), start, at


def _stored(kind: int, shape: tuple[int, ...], start: int) -> GgufTensor:
    """Describe a tensor; raise BaseModelError for a type that isn't known, ValueError."""
    if kind not in GGMLQuantizationType.__members__.values():
        raise BaseModelError(
            f"The GGUF holds weights of type {kind}, which the gguf package doesn't know yet.",
            "Choose another level of the same model, such as Q8_0 or Q4_K_M.",
        )
    type_ = GGMLQuantizationType(kind)
    block, size = GGML_QUANT_SIZES[type_]
    if shape[-1] % block or not math.prod(shape):
        raise ValueError(f"a tensor of {shape} can't be stored as {type_.name}")
    return GgufTensor(type_, shape, start, math.prod(shape) // block * size)


def can_be_read(kind: GGMLQuantizationType) -> bool:
    """Whether weights of a type can be turned into float32."""
    if kind.name in PLAIN:
        return True
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError:
        return False
    return True
