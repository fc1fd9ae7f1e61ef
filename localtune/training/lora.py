"""The LoRA recipe: rank, layers, learning rate and steps out of the documents and the base."""

from __future__ import annotations

from dataclasses import dataclass

from localtune.config.stages import TrainConfig

RANKS = ((100_000, 32), (1_000_000, 64))  # documents of fewer tokens -> rank
MAX_RANK = 128
SMALL = 512  # hidden size under which the measured recipe of the built-in base holds
RATE, RATE_HIDDEN = 2e-3, 576  # learning rate, measured at this hidden size
TRAINED_SHARE = 0.6  # of the layers, the upper ones
STEP_TOKENS = 1024
USUAL_ROW_TOKENS = 256  # of a packed row where no lesson is longer
PASSES, MIN_STEPS = 7.0, 100  # over the lessons
SMALL_PASSES, SMALL_MIN_STEPS = 1.5, 500


@dataclass(frozen=True)
class Recipe:
    """What a training run uses; `steps` are optimiser steps of `rows` packed rows.

    `layers` of the base are trained, the upper ones. A lesson that is known `rests` for a pass.
    """

    rank: int
    alpha: float
    learning_rate: float
    steps: int
    rows: int
    layers: int
    rests: bool = True


@dataclass(frozen=True)
class Amount:
    """What is to be learned: tokens of the documents, and lessons in packed rows."""

    corpus_tokens: int
    packed_rows: int


def rows_a_step(config: TrainConfig) -> int:
    """Return how many packed rows one optimiser step takes."""
    tokens = config.batch_tokens or STEP_TOKENS
    return max(1, tokens // (config.max_length or USUAL_ROW_TOKENS))


def recipe(config: TrainConfig, amount: Amount, hidden: int, layers: int) -> Recipe:
    """Choose what the configuration leaves at 0, for a base of `layers` layers of `hidden` width.

    Rank by the tokens of the documents, alpha twice the rank, learning rate inversely proportional
    to the width (measured on SmolLM2-135M: docs/decisions/0034-recipe.md). A base under 512 wide
    has a recipe of its own (docs/decisions/0004-lessons.md).
    """
    rows, small = rows_a_step(config), hidden < SMALL
    rank = next((r for limit, r in RANKS if amount.corpus_tokens < limit), MAX_RANK)
    rank = config.rank or (32 if small else rank)
    passes, least = (SMALL_PASSES, SMALL_MIN_STEPS) if small else (PASSES, MIN_STEPS)
    return Recipe(
        rank=rank,
        alpha=config.alpha or 2.0 * rank,
        learning_rate=config.learning_rate or (4e-3 if small else RATE * RATE_HIDDEN / hidden),
        steps=config.steps or max(least, round(passes * amount.packed_rows / rows)),
        rows=rows,
        rests=not small,
        layers=min(config.layers, layers) or (layers if small else round(TRAINED_SHARE * layers)),
    )
