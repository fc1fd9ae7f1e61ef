"""A PEFT LoRA adapter as the float32 product that is added to a base's weights.

Source: peft/tuners/lora (0.21): W + scaling * B @ A, scaling = alpha / r, or alpha / sqrt(r) with
rank-stabilised LoRA (Kalajdzievski 2023). What a product can't express is refused, not dropped.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError
from localtune.export.tensors import Tensors

Array = npt.NDArray[np.float32]
PREFIX = "base_model.model."
FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<side>[AB])(\.default)?\.weight$")
REFUSED = (
    "use_dora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
)


class Adapter:
    """The LoRA factors of an adapter folder; `modules` names the weights they change."""

    def __init__(self, folder: Path) -> None:
        self._config = _read_config(folder / "adapter_config.json")
        self._tensors = Tensors(folder)
        self._factors: dict[str, dict[str, str]] = {}
        for name in self._tensors.names():
            found = FACTOR.match(name.removeprefix(PREFIX))
            if not found:
                raise _cannot_merge(folder, f"the tensor {name!r}, which is no LoRA factor")
            self._factors.setdefault(found["module"], {})[found["side"]] = name
        broken = [module for module, sides in self._factors.items() if len(sides) != 2]
        if broken:
            raise _cannot_merge(folder, f"only half of the factors of {broken[0]}")
        self.modules = frozenset(self._factors)

    def product(self, module: str) -> Array:
        """Return scaling * B @ A of a module, float32, shaped like its weight (out, in)."""
        names = self._factors[module]
        a, b = self._tensors.read(names["A"]), self._tensors.read(names["B"])
        return (b @ a) * np.float32(self._scaling(module, rank=a.shape[0]))

    def _scaling(self, module: str, rank: int) -> float:
        alpha = self._config["lora_alpha"]
        for pattern, other in (self._config.get("alpha_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = other
                break
        return float(alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank))


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{file} can't be read: {error}.", "Train the adapter again.") from error
    for key in REFUSED:
        if config.get(key):
            raise _cannot_merge(file.parent, f"{key} = {config[key]!r}")
    if config.get("peft_type", "LORA") != "LORA" or config.get("bias", "none") != "none":
        raise _cannot_merge(file.parent, "more than LoRA factors")
    return config


def _cannot_merge(folder: Path, what: str) -> ExportError:
    return ExportError(
        f"The adapter {folder} holds {what}, which can't be merged.",
        "Train it with plain LoRA on linear layers.",
    )
