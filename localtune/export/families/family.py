"""What a model family is: the fields that families.py fills in. Knows no family itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.export.read.config_json import Config, head_width

Index = npt.NDArray[np.intp]
Rows = Mapping[str, tuple[str, str]]
Ordered = Mapping[str, Callable[[Config], Index]]
OUTER = {
    "embed_tokens": ("token_embd", "v d"),
    "norm": ("output_norm", "d"),
    "lm_head": ("output", "v d"),
}


def rotary(heads: str) -> Callable[[Config], Index]:
    """Return the order of rows in which a head's rotary pairs lie side by side, as ggml wants."""

    def order(config: Config) -> Index:
        count, width = config[heads], head_width(config)
        return np.arange(count * width).reshape(count, 2, width // 2).swapaxes(1, 2).ravel()

    return order


@dataclass(frozen=True)
class Family:
    """One architecture; see families.py's first lines for `layer` and `outer`.

    `order` and `columns` give a GGUF tensor's rows and columns in another order, `transposed` are
    stored as (in, out) in safetensors, to `plus_one` a 1 is added, `negative_exp` become -exp(x).
    A layer may lack what is `optional`. Tensors that begin with one of `dropped` aren't written.
    Where config.json says null, which isn't a default, `nulls` has the value that stands for it.
    The names of `bare` tensors end with neither ".weight" nor ".bias" in safetensors.
    `extra` and `factors` return metadata and tensors that only this family has.
    """

    arch: str
    classes: tuple[str, ...]
    layer: Rows
    defaults: Config
    outer: Rows = field(default_factory=lambda: OUTER)
    prefix: str = "model."
    layers: str = "layers"
    order: Ordered = field(default_factory=dict)
    columns: Ordered = field(default_factory=dict)
    transposed: frozenset[str] = frozenset()
    plus_one: frozenset[str] = frozenset()
    negative_exp: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset({"lm_head"})
    dropped: tuple[str, ...] = ()
    bare: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    extra: Callable[[Config], dict[str, Any]] = lambda config: {}
    factors: Callable[[Config], dict[str, npt.NDArray[np.float32]]] = lambda config: {}
    tokenizer: str = "bpe"
    nulls: Config = field(default_factory=dict)
