"""What a build expects once it has its lessons: work/plan.json; and what --hours leaves of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from localtune.build.hours import fit, seconds_left
from localtune.build.job import Build
from localtune.formatting import duration
from localtune.progress import Progress
from localtune.workspace import read_json, read_jsonl, write_json

if TYPE_CHECKING:
    from localtune.estimate.measured import Costs

THOROUGH = 600.0  # seconds of training from which on a build tries the other stages too
FEW = 100  # steps of training for which it isn't worth planning


def keep_estimate(build: Build, progress: Progress) -> None:
    """Write work/plan.json: what training will take; {} for few steps, or several processes.

    It takes a few steps of training, and the time of a yardstick (estimate/yardstick.py) only where
    training takes long. With --hours also writes work/budget.json: the steps and layers of training
    that were cut, {} for none. Raises LocaltuneError as training does.
    """
    at, config = build.at, build.config.train
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1  # the others don't rehearse with this one
    if together or 0 < config.steps < FEW:
        write_json(at.plan, {})
        if config.hours:
            progress.note("--hours cuts no training: it has few --steps, or several processes")
            write_json(at.budget, {})
        return
    found = _cost(build, progress)
    if config.hours:
        found = _cut(build, found, progress)
    train = found.rows[0]
    progress.note(
        f"training takes about {train.seconds / 60:.0f} min (± {train.band:.0%}) and "
        f"{train.memory / 1e9:.1f} GB of memory"
    )
    write_json(at.plan, found.to_dict())


def _cost(build: Build, progress: Progress) -> Costs:
    """Try training; the stages after it too where training takes long or there is a limit."""
    from localtune.estimate.costs import cost
    from localtune.estimate.shape import Base

    at, config = build.at, build.config
    base = Base(config.base.base, read_json(at.base / "config.json"), at.base, True, None)
    questions = sum(1 for _ in read_jsonl(at.exam))
    after = 0.0 if config.train.hours else THOROUGH
    return cost(config, base, at.lessons, questions, progress, 3, after, loaded=True)


def _cut(build: Build, found: Costs, progress: Progress) -> Costs:
    """Cut steps and layers to the time that is left, keep and print what was cut."""
    at, config, recipe = build.at, build.config.train, found.recipe
    train, *rest = found.rows
    around = train.seconds - recipe.steps * found.training.step
    left = seconds_left(config, at) - around - sum(row.seconds for row in rest)
    steps, layers = fit(recipe, found.training.step, left, keep_layers=bool(config.layers))
    if config.steps:
        steps, layers = recipe.steps, recipe.layers
    cut = {"steps": steps, "layers": layers}
    whole = {"steps": recipe.steps, "layers": recipe.layers}
    write_json(at.budget, cut if cut != whole else {})
    said = [f"{cut[name]} of {whole[name]} {name}" for name in cut if cut[name] != whole[name]]
    seconds = around + steps * found.training.step * layers / recipe.layers
    if said:
        progress.note(f"--hours {config.hours:g}: training is cut to {' and '.join(said)}")
    if seconds > left + around:
        over = duration(seconds - left - around)
        progress.warn(f"--hours {config.hours:g} will be exceeded by about {over}")
    return replace(
        found,
        recipe=replace(recipe, steps=steps, layers=layers),
        rows=[replace(train, seconds=seconds), *rest],
    )
