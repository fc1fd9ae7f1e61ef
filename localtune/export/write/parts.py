"""What one tensor of a GGUF is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.intp]


class Weights(Protocol):
    """The headers of a base's weights by plain name, such as merged.Merged's."""

    def names(self) -> list[str]: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def has_own_head(self) -> bool: ...


@dataclass(frozen=True)
class Part:
    """Rows of one weight: all, or those of `rows` in that order."""

    source: str
    rows: Index | None


@dataclass(frozen=True)
class Written:
    """One GGUF tensor: its parts one below another, and what is done to every row.

    `shape` is numpy's, (rows, columns) or (experts, rows, columns). `vector` says that it stays
    float32. `turned` weights are stored as (in, out).
    """

    name: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    columns: Index | None = None
    turned: bool = False
    plus_one: bool = False
    negative_exp: bool = False
    vector: bool = False
