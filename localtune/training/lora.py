"""The LoRA recipe: rank, learning rate and steps out of the lessons and the base."""

from __future__ import annotations

from dataclasses import dataclass

from localtune.config import TrainConfig

RANKS = ((20_000, 32), (100_000, 64), (1_000_000, 128))  # lessons of fewer tokens -> rank
SMALL = 512  # hidden size under which the measured recipe of the built-in base holds


@dataclass(frozen=True)
class Recipe:
    """What a training run uses; `steps` are optimiser steps of `rows` packed rows."""

    rank: int
    alpha: float
    learning_rate: float
    steps: int
    rows: int


def recipe(
    config: TrainConfig, lesson_tokens: int, packed_rows: int, hidden: int, model_type: str
) -> Recipe:
    """Choose what the configuration leaves at 0.

    Rank by the tokens of the lessons; learning rate 5e-4 (2000/hidden)^P sqrt(batch/128), at most
    5e-4, P by family. A base under 512 wide learns with ten times that (docs/decisions/), over
    more passes. At least 300 steps.
    """
    rows = max(1, config.batch_tokens // config.max_length)
    rank = next((r for limit, r in RANKS if lesson_tokens < limit), 256)
    power = {"qwen2": 0.0775, "qwen3": 0.0775, "llama": 0.781}.get(model_type, 0.5)
    large = min(5e-4, 5e-4 * (2000 / hidden) ** power * (rows / 128) ** 0.5)
    passes = 6 if hidden < SMALL else 3
    return Recipe(
        rank=config.rank or (64 if hidden < SMALL else rank),
        alpha=config.alpha if hidden >= SMALL else 2 * config.alpha,
        learning_rate=config.learning_rate or (4e-3 if hidden < SMALL else large),
        steps=config.steps or max(300, passes * packed_rows // rows),
        rows=rows,
    )
