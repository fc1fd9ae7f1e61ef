"""What a level of a GGUF comes to, read from llama.cpp's log of a dry run. Runs nothing itself.

Source of the lines that are read: src/llama-quant.cpp as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localtune.errors import ConfigError, RuntimeFileError
from localtune.llama.imatrix_file import Importance

# ggml's type ("q4_K") -> columns in a block, bytes of a block.
Types = dict[str, tuple[int, int]]
TENSOR = re.compile(r"^\[ *\d+/ *(\d+)\] (\S+) +- \[([^]]*)\], type = +(\S+?),(?:.*\((\S+)\))?")
FALLBACK = re.compile(
    r"^warning: (\S+) +- ncols.*required for type +(\S+)\).*falling back to +(\S+)"
)
NEEDED = "will require an imatrix"
ALIGNMENT = 32  # bytes; where a tensor of a GGUF may begin
# The levels that have Q5_K for the output, where the others have Q6_K.
COARSE = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS")


@dataclass(frozen=True)
class LevelSettings:
    """How a level is made: with an importance matrix, or without."""

    level: str
    imatrix: Path | None = None


@dataclass(frozen=True)
class Tensor:
    """One tensor: its shape as ggml counts (columns first), its type before and after."""

    name: str
    shape: tuple[int, ...]
    was: str
    becomes: str

    def size(self, type_: str, types: Types) -> int:
        """Return its bytes in a type."""
        columns, bytes_ = types[type_]
        return math.prod(self.shape) * bytes_ // columns


@dataclass(frozen=True)
class Fallback:
    """A tensor whose rows can't be cut into the blocks of the type that the level has for it."""

    tensor: Tensor
    wanted: str
    extra: int  # bytes; below 0 where the other type is smaller


@dataclass(frozen=True)
class DryRun:
    """What a level comes to: `size` is the file's, in bytes."""

    tensors: tuple[Tensor, ...]
    fallbacks: tuple[Fallback, ...]
    size: int
    needs_imatrix: bool


def read_dry_run(lines: Iterable[str], source: Path, recipe: LevelSettings, types: Types) -> DryRun:
    """Make a plan from the lines of a dry run. Raises RuntimeFileError for an empty GGUF."""
    tensors, wanted, needs = dict[str, Tensor](), dict[str, str](), False
    for line in lines:
        needs = needs or NEEDED in line
        if found := FALLBACK.match(line):
            wanted[found[1]] = found[2]
        elif found := TENSOR.match(line):
            shape = tuple(int(part) for part in found[3].split(","))
            tensors[found[2]] = Tensor(found[2], shape, found[4], found[5] or found[4])
    if not tensors:
        raise RuntimeFileError(f"{source} holds no tensors.", "Give the GGUF of a model.")
    wanted = _quiet_fallbacks(tensors, recipe, types) | wanted
    sizes = {name: tensor.size(tensor.becomes, types) for name, tensor in tensors.items()}
    fallbacks = [
        Fallback(tensors[name], type_, sizes[name] - tensors[name].size(type_, types))
        for name, type_ in wanted.items()
    ]
    before = sum(_aligned(tensor.size(tensor.was, types)) for tensor in tensors.values())
    header = max(0, source.stat().st_size - before)
    size = header + sum(map(_aligned, sizes.values()))
    return DryRun(tuple(tensors.values()), tuple(fallbacks), size, needs)


def _quiet_fallbacks(
    tensors: dict[str, Tensor], recipe: LevelSettings, types: Types
) -> dict[str, str]:
    """Return what the output would have been where llama.cpp took Q8_0, and didn't say so."""
    name = "output.weight" if "output.weight" in tensors else "token_embd.weight"
    output = tensors.get(name)
    if not output or output.becomes != "q8_0" or recipe.level in ("Q8_0", "Q2_0"):
        return {}
    wanted = "q5_K" if recipe.level in COARSE else "q6_K"
    return {name: wanted} if output.shape[0] % types[wanted][0] else {}


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def check_dry_run(plan: DryRun, source: Path, recipe: LevelSettings, types: Types) -> None:
    """Raise for what can't be made, or not as asked: RuntimeFileError, ConfigError."""
    again = [tensor for tensor in plan.tensors if types[tensor.was][0] > 1]
    if again:
        raise RuntimeFileError(
            f"{source} is quantized already ({again[0].name} is {again[0].was}).",
            "Give the BF16, F16 or F32 file it was made from; a build keeps its own in work/.",
        )
    if plan.needs_imatrix and not recipe.imatrix:
        raise ConfigError(
            f"{recipe.level} can't be made without an importance matrix: so few bits must know "
            "which weights matter.",
            "Give one with --imatrix; a build makes its own. Or choose Q2_K or a larger level.",
        )


def check_imatrix(file: Path, matrix: dict[str, Importance], plan: DryRun) -> None:
    """Raise ConfigError where an importance matrix was made for another model."""
    tensors = {tensor.name: tensor for tensor in plan.tensors}
    if not set(matrix) & set(tensors):
        raise _another_model(file, "it names none of the tensors")
    for name in set(matrix) & set(tensors):
        columns, _, experts = (*tensors[name].shape, 1, 1)[:3]
        if matrix[name].sums.size != columns * experts:
            found = f"{matrix[name].sums.size} columns, not {columns * experts}"
            raise _another_model(file, f"it holds {name} with {found}")


def _another_model(file: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The importance matrix {file} was made for another model: {why}.",
        "Give the one that was made for this model.",
    )
