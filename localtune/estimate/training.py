"""A base's shape and lessons -> seconds and memory of training, from a few steps of one cut short.

Layers are alike: what a step takes is a straight line over them, through a base of one and of
five. A base of few layers is trained as it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from localtune.config.stages import TrainConfig
from localtune.estimate.fresh import in_fresh_process
from localtune.estimate.measured import Training
from localtune.estimate.shape import Config, Shape, write_base
from localtune.progress import Progress

if TYPE_CHECKING:
    from localtune.training.lengths import Lessons
    from localtune.training.lora import Recipe
    from localtune.training.rehearse import Rehearsed

WHOLE = 8  # layers up to which the whole base is rehearsed
SHORT, LONGER = 1, 5
FORWARD = 0.4  # of a step's time: a pass forward, without LoRA
QUICK, TIMES = 25_000_000, 4  # parameters under which steps are short: more are tried, and here
LEAST_BAND = 0.1  # of the time: what two runs on an idle machine differ by


def estimate(
    config: Config,
    shape: Shape,
    real: Path | None,
    lessons: Lessons,
    plan: Recipe,
    chosen: TrainConfig,
    progress: Progress,
    steps: int = 4,
) -> Training:
    """Measure on this machine; `real` is the base's folder, None where it isn't here.

    All layers of what is tried are trained, as many of the base as the recipe says. Those below
    take one pass over all lessons. Raises BaseModelError, TrainingError.
    """
    layers = (plan.layers,) if plan.layers <= WHOLE else (SHORT, LONGER)
    quick = shape.parameters < QUICK
    steps *= TIMES if quick else 1
    found = []
    with tempfile.TemporaryDirectory() as scratch, progress.bar("try", len(layers)) as bar:
        for count in layers:
            folder = write_base(config, count, Path(scratch) / str(count), real)
            found.append(_rehearse(quick, folder, lessons, plan, chosen, steps))
            bar.advance(detail=f"{found[-1].step:.1f} s a step with {count} layers")
    return _from_line(layers, found, shape, plan, lessons)


def _rehearse(
    here: bool, folder: Path, lessons: Lessons, plan: Recipe, chosen: TrainConfig, steps: int
) -> Rehearsed:
    """Try steps in a fresh process, or `here`, where its start would take longer than they do."""
    from localtune.training.rehearse import rehearse

    if here:
        return rehearse(folder, lessons, plan, chosen, steps)
    return in_fresh_process(rehearse, folder, lessons, plan, chosen, steps)


def _from_line(
    layers: tuple[int, ...], found: list[Rehearsed], shape: Shape, plan: Recipe, lessons: Lessons
) -> Training:
    """Draw a straight line through what was measured, as far as all layers or those trained."""
    first, last = found[0], found[-1]

    def far(count: int) -> float:
        return (count - layers[0]) / max(1, layers[-1] - layers[0])

    def reach(one: float, other: float, count: int) -> float:
        return one + far(count) * max(0.0, other - one)

    below = shape.layers - plan.layers
    step = reach(first.step, last.step, plan.layers)
    once = lessons.rows / plan.rows * below * FORWARD * step / plan.layers
    around = reach(first.around, last.around, shape.layers) if len(found) > 1 else first.around
    off = (first.spread + last.spread) / 2 * max(1.0, far(plan.layers)) / step
    frozen = round(below * shape.layer * first.weight_bytes)
    return Training(
        step=step,
        band=round(min(1.0, max(LEAST_BAND, off)), 2),
        check=reach(first.check, last.check, shape.layers),
        around=around + once,
        memory=round(reach(first.memory, last.memory, plan.layers)) + frozen + lessons.memory,
        graphics_memory=round(reach(first.graphics_memory, last.graphics_memory, plan.layers))
        + (frozen if first.graphics_memory else 0),
        weight_bytes=first.weight_bytes,
        precision=first.precision,
        layers=layers,
    )
