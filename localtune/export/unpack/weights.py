"""The tensors of a GGUF as the weights of transformers' format: families.py the other way round.

What the export does to a tensor is undone: rows and columns come back in order, experts are taken
apart, a one is subtracted. A weight has the value that llama.cpp computes with, rounded to BF16
where the file holds it quantized.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localtune.errors import BaseModelError
from localtune.export.families.family import Family
from localtune.export.read.arrays import Array
from localtune.export.read.config_json import Config
from localtune.export.unpack.gguf_source import PLAIN, GgufSource, GgufTensor, can_be_read

Index = npt.NDArray[np.intp]
LAYER = re.compile(r"blk\.(\d+)\.(.+)")
# Factors of rotary positions: config.json says them (rotary.py).
FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
BESIDE = ("v.", "a.", "mm.")  # parts that see or hear, which Ollama keeps in the same file
CONVOLUTION = "ssm_conv1d"  # stored without the middle one of its three dimensions


@dataclass(frozen=True)
class UnpackedWeight:
    """One weight out of one GGUF tensor, or out of one expert of it.

    `shape` is safetensors'. `rows` and `columns` say where each of its rows and columns lies in
    the GGUF.
    """

    tensor: str
    shape: tuple[int, ...]
    expert: int = 0
    rows: Index | None = None
    columns: Index | None = None
    turned: bool = False
    minus_one: bool = False
    log: bool = False


class Unpacked:
    """A GGUF's weights by plain name ("layers.0.mlp.up_proj.weight"), read in blocks of rows."""

    def __init__(self, source: GgufSource, family: Family, config: Config) -> None:
        """Name every weight. Raises BaseModelError for a tensor that the family hasn't."""
        self._source, self._family = source, family
        self._patterns = {
            target: pattern
            for pattern, (target, _) in (*family.outer.items(), *family.layer.items())
        }
        self._weights: dict[str, UnpackedWeight] = {}
        for name, stored in source.tensors.items():
            if name not in FACTORS and not name.startswith(BESIDE):
                _check_type(name, stored, source)
                self._add(name, stored, config)

    def names(self) -> list[str]:
        """Return the plain names of all weights."""
        return list(self._weights)

    def full_name(self, name: str) -> str:
        """Return the name that transformers gives a weight."""
        return name if name.startswith("lm_head") else self._family.prefix + name

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape in transformers' format."""
        return self._weights[name].shape

    def has_own_head(self) -> bool:
        """Return False: a head other than the embedding is a weight of its own here."""
        return False

    def kind(self, name: str) -> str:
        """Return safetensors' name for the type of a weight: BF16 for what is quantized.

        The master of a build is BF16, so that a wider type would be rounded in the end.
        """
        weight = self._weights[name]
        stored = self._source.tensors[weight.tensor].kind.name
        if weight.minus_one or weight.log:
            return "F32"
        return stored if stored in PLAIN else "BF16"

    def is_whole(self, name: str) -> bool:
        """Whether a weight is read in one piece: a vector, or one that is stored turned round."""
        return self._weights[name].turned or len(self.shape(name)) == 1

    def rows(self, name: str, rows: slice) -> Array:
        """Return rows of a weight as float32; of what `is_whole` all of them."""
        weight = self._weights[name]
        made = self._read(weight, rows)
        if weight.columns is not None:
            made = made[:, weight.columns]
        if weight.minus_one:
            made = made - np.float32(1)
        if weight.log:
            made = np.log(-made.astype(np.float64)).astype(np.float32)
        return np.ascontiguousarray(made)

    def _read(self, weight: UnpackedWeight, rows: slice) -> Array:
        read = self._source.rows
        if len(weight.shape) == 1:
            vector = read(weight.tensor, slice(None)).reshape(-1)
            return vector if weight.rows is None else vector[weight.rows]
        if weight.turned:
            return read(weight.tensor, slice(None)).T
        if weight.rows is not None:
            return read(weight.tensor, weight.rows[rows])
        first = weight.expert * weight.shape[0]
        return read(weight.tensor, slice(first + rows.start, first + rows.stop))

    def _add(self, name: str, stored: GgufTensor, config: Config) -> None:
        layer, target, ending = _taken_apart(name)
        pattern = self._patterns.get(target)
        if pattern is None or (pattern in self._family.layer) != (layer is not None):
            raise BaseModelError(
                f"The GGUF holds a tensor {name!r} that no {self._family.arch} model has here.",
                "Choose another file of the model, as llama.cpp's own converter writes it.",
            )
        stem = pattern if layer is None else f"{self._family.layers}.{layer}.{pattern}"
        stem += "" if pattern in self._family.bare else ending
        weight = self._weight(name, target, stored.shape, ending, config)
        if "{}" not in stem:
            self._weights[stem] = weight
            return
        for expert in range(stored.shape[0]):
            each = UnpackedWeight(name, stored.shape[1:], expert)
            self._weights[stem.replace("{}", str(expert))] = each

    def _weight(
        self, name: str, target: str, shape: tuple[int, ...], ending: str, config: Config
    ) -> UnpackedWeight:
        family = self._family
        order, columns = family.order.get(target), family.columns.get(target)
        turned = target in family.transposed and ending == ".weight"
        if target == CONVOLUTION:
            shape = (shape[0], 1, shape[1])
        return UnpackedWeight(
            name,
            shape[::-1] if turned else shape,
            rows=_undone(order(config), shape[0], name) if order else None,
            columns=_undone(columns(config), shape[-1], name) if columns else None,
            turned=turned,
            minus_one=target in family.plus_one,
            log=target in family.negative_exp,
        )


def _taken_apart(name: str) -> tuple[int | None, str, str]:
    """Return a tensor's layer, its name within it, and ".weight", ".bias" or nothing."""
    stem, dot, ending = name.rpartition(".")
    if ending not in ("weight", "bias"):
        stem, dot, ending = name, "", ""
    found = LAYER.fullmatch(stem)
    layer, target = (int(found[1]), found[2]) if found else (None, stem)
    return layer, target, dot + ending


def _undone(order: Index, count: int, name: str) -> Index | None:
    """Return the order that undoes another; None where nothing moves."""
    if len(order) != count:
        raise BaseModelError(
            f"The tensor {name!r} has {count} rows, where the file's metadata says {len(order)}.",
            "The file is damaged, or was made by another tool; fetch it again.",
        )
    return None if np.array_equal(order, np.arange(count)) else np.argsort(order)


def _check_type(name: str, stored: GgufTensor, source: GgufSource) -> None:
    if not can_be_read(stored.kind):
        raise BaseModelError(
            f"{source.file.name} stores {name} as {stored.kind.name}, which can't be undone here.",
            "Choose another level of the same model, such as Q8_0 or Q4_K_M.",
        )
