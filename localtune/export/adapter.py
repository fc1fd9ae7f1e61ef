"""A PEFT adapter's changes to a base's weights, row by row: LoRA, rsLoRA, DoRA, whole tensors.

Source: peft/tuners/lora/{config,layer,dora}.py (0.21): W + scaling * B @ A, where scaling is
alpha / r, or alpha / sqrt(r) with rank stabilisation (Kalajdzievski 2023); DoRA scales each row of
the sum to the length it has learned (Liu et al. 2024). What can't be expressed is refused, not
dropped.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from localtune.errors import ExportError
from localtune.export.config_json import read_json
from localtune.export.tensors import Array, Tensors

KEPT = 8  # modules whose factors stay in memory: more than threads work on at once
PREFIX = "base_model.model."
FACTOR = re.compile(
    r"^(?P<module>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B|magnitude_vector)"
    r"(?:\.default)?(?:\.(?P<kind>weight|bias))?$"
)
USUAL_ALPHA = 8  # peft/tuners/lora/config.py
NORMAL = {"embedding_A": "A", "embedding_B": "B", "magnitude_vector": "magnitude"}
REFUSED = (
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "alora_invocation_tokens",
)


@dataclass(frozen=True)
class Factors:
    """The parts of one module's change, by name: A, B, magnitude, bias (of B).

    `embedding` says that A and B belong to an embedding, and are the other way round.
    """

    parts: dict[str, str]
    embedding: bool


class Adapter:
    """An adapter folder; `modules` names the weights it changes, `replaced` those it brings."""

    def __init__(self, folder: Path) -> None:
        """Read what the adapter changes. Raises ExportError for what can't be merged."""
        self.folder = folder
        self.config = _read_config(folder)
        self.tensors = Tensors(folder)
        self.replaced: dict[str, str] = {}
        self._kept: dict[str, tuple[Array, Array]] = {}
        self.modules: dict[str, Factors] = {}
        for name in self.tensors.names():
            self._sort_in(name)
        for module, factors in self.modules.items():
            if not {"A", "B"} <= factors.parts.keys():
                raise _cannot_merge(folder, f"only half of the factors of {module}")

    def _sort_in(self, name: str) -> None:
        plain = name.removeprefix(PREFIX)
        found = FACTOR.match(plain)
        if not found:
            if "lora" in plain or "." not in plain:
                raise _cannot_merge(self.folder, f"the tensor {name!r}, which is not known")
            for wrapper in (".modules_to_save.default", ".base_layer"):
                plain = plain.replace(wrapper, "")
            self.replaced[plain] = name
            return
        part = NORMAL.get(found["part"], found["part"])
        part = "bias" if found["kind"] == "bias" else part
        embedding = found["part"].startswith("embedding")
        known = self.modules.setdefault(found["module"], Factors({}, embedding))
        known.parts[part] = name

    def check_numbers(self) -> None:
        """Raise ExportError for a factor that is infinite or not a number."""
        for name in self.tensors.names():
            if not np.isfinite(self.tensors.read(name)).all():
                raise ExportError(
                    f"The adapter's {name} holds weights that are infinite or not a number (NaN).",
                    "Training went wrong; lower --learning-rate and train again.",
                )

    def rank(self, module: str) -> int:
        """Return the rank of a module's factors."""
        return self.tensors.shape(self.modules[module].parts["A"])[0]

    def shape(self, module: str) -> tuple[int, int]:
        """Return the shape of the weight that a module's product is added to, (rows, columns)."""
        a, b = (self.tensors.shape(self.modules[module].parts[side]) for side in "AB")
        return (a[1], b[0]) if self.modules[module].embedding else (b[0], a[1])

    def scaling(self, module: str) -> float:
        """Return what a module's product is multiplied by."""
        alpha, rank = self.config["lora_alpha"], self.rank(module)
        for pattern, other in (self.config.get("alpha_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = other
                break
        return float(alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank))

    def factors(self, module: str) -> tuple[Array, Array]:
        """Return a module's factors as (rows, rank), scaled, and (rank, columns), float32.

        The last few are kept, as a weight is read in several blocks.
        """
        if module not in self._kept:
            made = self._read_factors(module)
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[module] = made
            return made
        return self._kept.get(module) or self._read_factors(module)

    def _read_factors(self, module: str) -> tuple[Array, Array]:
        parts = self.modules[module].parts
        a, b = self.tensors.read(parts["A"]), self.tensors.read(parts["B"])
        left, right = (a.T, b.T) if self.modules[module].embedding else (b, a)
        return left * np.float32(self.scaling(module)), right

    def magnitude(self, module: str) -> Array | None:
        """Return the lengths of the rows that DoRA has learned, (rows,), None without DoRA."""
        name = self.modules[module].parts.get("magnitude")
        return None if name is None else self.tensors.read(name).ravel()

    def bias(self, module: str) -> Array | None:
        """Return what a module adds to its bias, (rows,), None where it adds nothing."""
        name = self.modules[module].parts.get("bias")
        if name is None:
            return None
        return self.tensors.read(name) * np.float32(self.scaling(module))


def _read_config(folder: Path) -> dict[str, Any]:
    config = read_json(folder / "adapter_config.json", "Train the adapter again.")
    for key in REFUSED:
        if config.get(key):
            raise _cannot_merge(folder, f"{key} = {config[key]!r}")
    if config.get("peft_type", "LORA") != "LORA":
        raise _cannot_merge(folder, f"an adapter of the type {config['peft_type']}")
    config.setdefault("lora_alpha", USUAL_ALPHA)
    patterns = config.get("alpha_pattern") or {}
    try:
        alphas = [config["lora_alpha"], *patterns.values()]
        if not all(isinstance(alpha, int | float) and math.isfinite(alpha) for alpha in alphas):
            raise _cannot_merge(folder, f"an alpha that is no number ({alphas})")
        for pattern in patterns:
            re.compile(pattern)
    except (AttributeError, re.error) as error:
        raise _cannot_merge(folder, f"an alpha_pattern that is none ({error})") from error
    return config


def _cannot_merge(folder: Path, what: str) -> ExportError:
    return ExportError(
        f"The adapter {folder} holds {what}, which can't be merged.",
        "Train it with LoRA (or rsLoRA, DoRA) on linear layers, or merge it with PEFT.",
    )
