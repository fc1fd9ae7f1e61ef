"""The stages behind training, run once in small: a base of the same widths, a few layers and words.

It goes through the build's own code: export, importance matrix, each level, answers. What they take
grows with the parameters; so it is told of a small model, measured here, what a whole one takes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from localtune.config.stages import QuantizeConfig
from localtune.estimate.measured import Yardstick
from localtune.estimate.shape import Config, cut, shape_of, write_base
from localtune.progress import Progress, Silent

if TYPE_CHECKING:
    from localtune.training.lora import Recipe

ENOUGH = 25_000_000  # parameters from which on what is measured isn't only what starting takes
MOST_LAYERS = 6
TOKENS = 256  # the importance matrix is tried with
ASKED = [{"role": "user", "content": "When does the office of the department open on weekdays?"}]
SAID = 12  # tokens of an answer that are waited for


def run_through(
    config: Config,
    lessons: Path,
    recipe: Recipe,
    chosen: QuantizeConfig,
    threads: int,
    progress: Progress,
) -> Yardstick:
    """Make a small base of a shape and take it through all stages behind training.

    `threads` is how many llama.cpp will use for the whole base. Raises LocaltuneError where a stage
    fails.
    """
    with tempfile.TemporaryDirectory() as scratch, progress.bar("try", 3 + len(chosen.levels)) as b:
        folder = Path(scratch)
        small = _small(config)
        base = write_base(small, _layers(small), folder / "base", filled=True)
        adapter = _adapter(base, lessons, recipe, folder / "trained")
        master = folder / "yardstick-BF16.gguf"
        export = _timed(lambda: _export(base, adapter, master))
        b.advance(detail="export")
        load, imatrix = _imatrix(base, adapter, folder)
        b.advance(detail="importance matrix")
        start, quantize = _quantize(master, folder, chosen, lambda level: b.advance(detail=level))
        files = {"BF16": master} | {level: folder / f"{level}.gguf" for level in chosen.levels}
        asked = {name: _ask(file, threads) for name, file in files.items()}
        b.advance(detail="answers")
    return Yardstick(
        shape_of(cut(small, _layers(small))).parameters,
        export,
        load,
        imatrix,
        start,
        quantize,
        {name: times[0] for name, times in asked.items()},
        {name: times[1] for name, times in asked.items()},
    )


def _small(config: Config) -> Config:
    """Return the shape with the built-in base's vocabulary, whose tokenizer it is given."""
    if "text_config" in config:
        config = config["text_config"]
    words = {"vocab_size": 4096, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 2}
    return {**config, **words}


def _layers(small: Config) -> int:
    """Return how many layers come to enough parameters."""
    shape = shape_of(small)
    wanted = -(-ENOUGH // shape.layer)
    return max(1, min(wanted, MOST_LAYERS, shape.layers))


def _timed(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _export(base: Path, adapter: Path, master: Path) -> None:
    from localtune.config.stages import PLAIN_TEMPLATE
    from localtune.export.convert import convert

    convert(base, master, adapter=adapter, name="yardstick", template=PLAIN_TEMPLATE, offline=True)


def _adapter(base: Path, lessons: Path, recipe: Recipe, folder: Path) -> Path:
    """Train an adapter of the recipe's rank for one step: what it says costs as much as any."""
    from localtune.config.stages import TrainConfig
    from localtune.training.rehearse import train_shortly

    folder.mkdir()
    return train_shortly(base, lessons, recipe, TrainConfig(), 1, folder)


def _imatrix(base: Path, adapter: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds that loading base and adapter take, and one token of text."""
    from localtune.evaluation.faithful import load_merged
    from localtune.export.imatrix import write_imatrix

    began = time.monotonic()
    tokenizer, model = load_merged(base, adapter)
    loaded = time.monotonic()
    write_imatrix(model, tokenizer, base, [], folder / "imatrix.gguf", TOKENS, Silent())
    length = min(512, model.config.max_position_embeddings)
    return loaded - began, (time.monotonic() - loaded) / (2 * length)


def _quantize(
    master: Path, folder: Path, chosen: QuantizeConfig, done: Callable[[str], None]
) -> tuple[float, dict[str, float]]:
    from localtune.llama.level_names import wants_imatrix
    from localtune.llama.quantize import Quantizer
    from localtune.llama.quantize_dry_run import LevelSettings as Level

    seconds, began = dict[str, float](), time.monotonic()
    with Quantizer() as quantizer:
        quantizer.dry_run(master, Level(chosen.levels[0]))
        start = time.monotonic() - began
        for level in chosen.levels:
            wants = wants_imatrix(level) and chosen.imatrix_tokens
            matrix = folder / "imatrix.gguf" if wants else None
            level_of = Level(level, matrix)
            out = folder / f"{level}.gguf"
            seconds[level] = _timed(partial(quantizer.write, master, out, level_of))
            done(level)
    return start, seconds


def _ask(gguf: Path, threads: int) -> tuple[float, float]:
    """Return the seconds of a prompt with its first token, and of each further one."""
    from localtune.llama.llama import Model

    model = Model(gguf, threads=threads)
    model.ask(ASKED, max_tokens=1)
    first = _timed(lambda: model.ask(ASKED, max_tokens=1))
    began = time.monotonic()
    said = model.ask(ASKED, max_tokens=SAID)
    more = time.monotonic() - began - first
    return first, max(more, 1e-5) / max(1, len(said.ids) - 1)
