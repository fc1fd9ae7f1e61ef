"""The LoRA recipe: rank, learning rate and steps out of the lessons and the base."""

from __future__ import annotations

from dataclasses import dataclass

from localtune.config import TrainConfig

RANKS = ((20_000, 32), (100_000, 64), (1_000_000, 128))  # lessons of fewer tokens -> rank
SMALL = 512  # hidden size under which the measured recipe of the built-in base holds
STEP_TOKENS, SMALL_STEP = 2048, 1024
USUAL_ROW_TOKENS = 256  # of a packed row where no lesson is longer
PASSES, STEPS = 1.5, 500  # over the lessons, which ask each fact in many wordings; at least


@dataclass(frozen=True)
class Recipe:
    """What a training run uses; `steps` are optimiser steps of `rows` packed rows."""

    rank: int
    alpha: float
    learning_rate: float
    steps: int
    rows: int


def rows_a_step(config: TrainConfig, hidden: int) -> int:
    """Return how many packed rows one optimiser step takes. Small steps suit a small base."""
    chosen = SMALL_STEP if hidden < SMALL else STEP_TOKENS
    return max(1, (config.batch_tokens or chosen) // (config.max_length or USUAL_ROW_TOKENS))


def recipe(
    config: TrainConfig, lesson_tokens: int, packed_rows: int, hidden: int, model_type: str
) -> Recipe:
    """Choose what the configuration leaves at 0.

    Rank by the tokens of the lessons; learning rate 5e-4 (2000/hidden)^P sqrt(batch/128), at most
    5e-4, P by family. A base under 512 wide wants ten times that, and twice the alpha
    (docs/decisions/0004-lessons.md).
    """
    rows, small = rows_a_step(config, hidden), hidden < SMALL
    rank = next((r for limit, r in RANKS if lesson_tokens < limit), 256)
    power = {"qwen2": 0.0775, "qwen3": 0.0775, "llama": 0.781}.get(model_type, 0.5)
    large = min(5e-4, 5e-4 * (2000 / hidden) ** power * (rows / 128) ** 0.5)
    return Recipe(
        rank=config.rank or (32 if small else rank),
        alpha=config.alpha or (64.0 if small else 32.0),
        learning_rate=config.learning_rate or (4e-3 if small else large),
        steps=config.steps or max(STEPS, round(PASSES * packed_rows / rows)),
        rows=rows,
    )
