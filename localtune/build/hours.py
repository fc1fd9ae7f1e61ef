"""`--hours`: the time that a build has left for lessons and for training, and what is cut to fit.

What was cut is kept in work/budget.json, an input of the stage `train`: a build that is resumed
trains what it began, however long it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from localtune.build.stage import seconds_of_stages
from localtune.config.stages import TrainConfig
from localtune.workspace import Workspace, read_json

if TYPE_CHECKING:
    from localtune.training.lora import Recipe

BEFORE_TRAINING = ("corpus", "base", "writer", "exam", "lessons", "targets")
WRITING_SHARE = 0.6  # of the hours: from then on no further wordings are asked for
# Of the steps; fewer than 3 of 7 passes leave lessons unlearned (docs/decisions/0034-recipe.md),
# so that layers are cut from there on.
LEAST_STEPS_SHARE = 3 / 7
LEAST_LAYERS_SHARE = 0.5


def hours_setting(config: TrainConfig) -> dict[str, float]:
    """Return the setting of a stage that --hours may cut, empty where it isn't given."""
    return {"hours": config.hours} if config.hours else {}


def seconds_left(config: TrainConfig, at: Workspace) -> float:
    """Return the seconds of --hours that the stages before training have not used.

    Of a stage that was stopped and resumed only the last run counts.
    """
    used = seconds_of_stages(at.lock)
    return 3600 * config.hours - sum(used.get(name, 0.0) for name in BEFORE_TRAINING)


def writing_clock(config: TrainConfig, at: Workspace) -> Callable[[], bool] | None:
    """Return what tells that no further wordings are asked for, None without --hours."""
    if not config.hours:
        return None
    later = 3600 * config.hours * (1 - WRITING_SHARE)
    end = time.monotonic() + seconds_left(config, at) - later
    return lambda: time.monotonic() >= end


def fit(recipe: Recipe, step: float, seconds: float, keep_layers: bool = False) -> tuple[int, int]:
    """Return the optimiser steps and the trained layers for which there is time, at least one step.

    `step` are the seconds of a step of the whole recipe; they are taken to grow with the layers.
    Passes are cut first, then layers unless `keep_layers`, then passes again.
    """
    steps, least = int(seconds / step), round(LEAST_STEPS_SHARE * recipe.steps)
    if keep_layers or steps >= least:
        return max(1, min(steps, recipe.steps)), recipe.layers
    share = max(LEAST_LAYERS_SHARE, steps / least)
    layers = max(1, round(share * recipe.layers))
    return max(1, min(least, int(seconds / step * recipe.layers / layers))), layers


def with_cuts(config: TrainConfig, at: Workspace) -> TrainConfig:
    """Return the configuration of training with the steps and layers that --hours has left."""
    if not config.hours:
        return config
    cuts = read_json(at.budget)
    steps, layers = cuts.get("steps", config.steps), cuts.get("layers", config.layers)
    return replace(config, steps=int(steps), layers=int(layers))
