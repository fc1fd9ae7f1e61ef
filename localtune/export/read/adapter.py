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

import numpy as np

from localtune.errors import ExportError
from localtune.export.read.adapter_config import cannot_merge, read_adapter_config, value_for
from localtune.export.read.arrays import Array
from localtune.export.read.tensors import Tensors

KEPT = 8  # modules whose factors stay in memory: more than threads work on at once
PREFIX = "base_model.model."
FACTOR = re.compile(
    r"^(?P<module>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B|magnitude_vector)"
    r"(?:\.default)?(?:\.(?P<kind>weight|bias))?$"
)
NORMAL = {"embedding_A": "A", "embedding_B": "B", "magnitude_vector": "magnitude"}


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
        self.config = read_adapter_config(folder)
        self.tensors = Tensors(folder)
        self.replaced: dict[str, str] = {}
        self._kept: dict[str, tuple[Array, Array]] = {}
        self.modules: dict[str, Factors] = {}
        for name in self.tensors.names():
            self._sort_in(name)
        for module in self.modules:
            self._check_parts(module)

    def _sort_in(self, name: str) -> None:
        plain = name.removeprefix(PREFIX)
        found = FACTOR.match(plain)
        if not found:
            if "lora" in plain or "." not in plain:
                raise cannot_merge(self.folder, f"the tensor {name!r}, which is not known")
            for wrapper in (".modules_to_save.default", ".base_layer"):
                plain = plain.replace(wrapper, "")
            self.replaced[plain] = name
            return
        part = NORMAL.get(found["part"], found["part"])
        part = "bias" if found["kind"] == "bias" else part
        embedding = found["part"].startswith("embedding")
        known = self.modules.setdefault(found["module"], Factors({}, embedding))
        known.parts[part] = name

    def _check_parts(self, module: str) -> None:
        """Refuse factors that PEFT would not load, or load otherwise than they are stored."""
        parts = self.modules[module].parts
        if not {"A", "B"} <= parts.keys():
            raise cannot_merge(self.folder, f"only half of the factors of {module}")
        for part, option in (("magnitude", "use_dora"), ("bias", "lora_bias")):
            value = bool(self.config.get(option))
            if value != (part in parts):
                what = f"{'no' if value else 'a'} {part} of {module}, though {option} = {value}"
                raise cannot_merge(self.folder, what)
        rank = value_for(self.config, module, "r", "rank_pattern")
        if self.rank(module) != rank:
            what = f"factors of rank {self.rank(module)} for {module}, though r = {rank}"
            raise cannot_merge(self.folder, what)

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
        alpha = value_for(self.config, module, "lora_alpha", "alpha_pattern")
        rank = self.rank(module)
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
