"""A base and lessons -> what training and the stages behind it take on this machine."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from localtune.config.stages import NF4, BuildConfig
from localtune.errors import LocaltuneError
from localtune.estimate import measured, stages
from localtune.estimate.disk import disk
from localtune.estimate.measured import Costs
from localtune.estimate.outline import sizes
from localtune.estimate.shape import Base, Shape, shape_of, write_base
from localtune.estimate.training import estimate
from localtune.estimate.yardstick import run_through
from localtune.machine.cores import llama_threads
from localtune.machine.usage import tree_memory
from localtune.progress import Progress

if TYPE_CHECKING:
    from localtune.training.lengths import Lessons
    from localtune.training.lora import Recipe

_import_seconds = 0.0  # what loading PyTorch and the others took, the first time


def load_libraries() -> None:
    """Load what training loads, and remember what that took: a build will wait for it too."""
    global _import_seconds
    began = time.monotonic()
    import localtune.training.rehearse

    assert localtune.training.rehearse
    _import_seconds = max(_import_seconds, time.monotonic() - began)


def cost(
    config: BuildConfig,
    base: Base,
    lessons: Path,
    questions: int,
    progress: Progress,
    steps: int = 4,
    behind: float = 0.0,
    loaded: bool = False,
    asks: bool = True,
) -> Costs:
    """Try training, and, where it takes more than `behind` seconds, the stages behind it in small.

    `loaded` says that training won't wait for its libraries, `asks` that the questions set aside
    are tried too. Raises LocaltuneError as training does.
    """
    load_libraries()
    from localtune.training.checkpoints import steps_between
    from localtune.training.rehearse import pack_lessons, recipe_for

    shape = shape_of(base.config)
    with tempfile.TemporaryDirectory() as scratch:
        folder = base.folder or write_base(base.config, 1, Path(scratch) / "words")
        packed = pack_lessons(folder, lessons, config.train, None)
    packed = packed if asks else replace(packed, aside=None)
    config = replace(config, train=replace(config.train, max_length=packed.row))
    recipe = recipe_for(packed, config.train, shape.hidden, shape.layers)
    held = tree_memory()
    tried = estimate(base.config, shape, base.folder, packed, recipe, config.train, progress, steps)
    before = packed.seconds + (0.0 if loaded else _import_seconds)
    checks = -(-recipe.steps // steps_between(recipe.steps)) if packed.aside else 0
    rows = [stages.training(recipe.steps, checks, tried, before)]
    if rows[0].seconds >= behind and not config.export.adapter_only:
        rows += _behind(config, base, shape, recipe, packed, questions, held, progress)
    gguf = sizes(base.config, shape.parameters, config.quantize)
    precision = config.train.precision
    written = disk(shape, recipe, packed.tokens, gguf, base.here, precision == NF4)
    return Costs(base, shape, packed, recipe, tried, rows, written, held, precision)


def _behind(
    config: BuildConfig,
    base: Base,
    shape: Shape,
    recipe: Recipe,
    packed: Lessons,
    questions: int,
    held: int,
    progress: Progress,
) -> list[measured.Estimate]:
    """Return the stages behind training; none for a family that only llama.cpp's script writes."""
    try:
        threads = llama_threads(shape.parameters)
        stick = run_through(base.config, packed.file, recipe, config.quantize, threads, progress)
    except LocaltuneError as error:
        progress.warn(f"the stages behind training aren't estimated: {error.message}")
        return []
    return stages.behind_training(shape, stick, config, questions, packed.said, held)


def reference(config: BuildConfig, lessons: Path, base: Base, progress: Progress) -> Costs:
    """Try steps alone on the base that the others are told from; nothing is asked."""
    return cost(config, base, lessons, 0, progress, behind=float("inf"), asks=False)
