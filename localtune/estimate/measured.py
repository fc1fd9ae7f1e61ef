"""What was measured of a base on this machine, and what is estimated from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from localtune.estimate.shape import Base, Shape

if TYPE_CHECKING:
    from localtune.training.lengths import Lessons
    from localtune.training.lora import Recipe


@dataclass(frozen=True)
class Training:
    """What training will take: seconds of a step, of a check and of all else, bytes at the highest.

    At a check the questions set aside are asked. `band` is the share by which the seconds of a step
    may be off; `memory` counts from nothing, this process as it is now included. `weight_bytes` are
    those of a weight while it is used.
    """

    step: float
    band: float
    check: float
    around: float
    memory: int
    graphics_memory: int
    weight_bytes: float
    precision: str
    layers: tuple[int, ...]


@dataclass(frozen=True)
class Yardstick:
    """Seconds that a model of `parameters` took, each with what doesn't grow taken off.

    `quantize` by level; `prompt` and `token` are of a question and of one token of an answer, by
    level and "BF16"; `start` is what a quantizer's process takes to begin.
    """

    parameters: int
    export: float
    load: float
    imatrix_token: float
    start: float
    quantize: dict[str, float]
    prompt: dict[str, float]
    token: dict[str, float]


@dataclass(frozen=True)
class Estimate:
    """Seconds of a stage, the share they may be off, and bytes at the highest (0: not estimated).

    `measured` says that the very work was done for it, not a part of it.
    """

    stage: str
    seconds: float
    band: float
    memory: int = 0
    measured: bool = False


MEMORY_BAND = 0.1


@dataclass(frozen=True)
class Costs:
    """What a build with a base takes; `held` are bytes that were held before any training.

    `precision` is the option's value.
    """

    base: Base
    shape: Shape
    lessons: Lessons
    recipe: Recipe
    training: Training
    rows: list[Estimate]
    bytes: dict[str, int]
    held: int
    precision: str = "auto"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        row = asdict(self.training)
        return {
            "training": {
                **asdict(self.recipe),
                "precision": row["precision"],
                "lesson_tokens": self.lessons.tokens,
                "step_seconds": round(self.training.step, 3),
                "layers_tried": list(self.training.layers),
            },
            "stages": [_rounded(row) for row in self.rows],
            "memory": {
                "bytes": self.training.memory,
                "graphics_bytes": self.training.graphics_memory,
                "band": MEMORY_BAND,
            },
            "disk": self.bytes,
        }


def _rounded(row: Estimate) -> dict[str, Any]:
    return asdict(row) | {"seconds": round(row.seconds, 2)}
