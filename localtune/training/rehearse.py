"""A few steps of real training on a base cut short: seconds a step, and memory. Keeps nothing.

It is `train` itself that runs. PyTorch's own hooks tell when a step ends, and in which precision
the base's matrices are multiplied; so nothing of how training works is known here.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import AutoConfig, AutoTokenizer

from localtune.config.stages import NF4_BYTES, PLAIN_TEMPLATE, TrainConfig
from localtune.loading import LOCAL
from localtune.machine.usage import Peak
from localtune.training.development import Development
from localtune.training.lengths import Lessons, fit_for, row_length, text_tokens
from localtune.training.lora import Amount, Recipe, recipe
from localtune.training.tokenise import IGNORED, PackedRows, Split, splitter_of
from localtune.training.train import train
from localtune.workspace import read_jsonl, write_jsonl

SAMPLE = 2000  # lessons that are tokenised
TRIED = 400  # lessons that are trained on
STEPS = 4  # the first isn't counted: it warms up, and AdamW has no memory yet


@dataclass(frozen=True)
class Rehearsed:
    """Seconds of a step (median, and half the range of all), of all else; bytes at the highest.

    `check` are the seconds that asking the questions set aside takes, which isn't in `around`.
    `weight_bytes` are those of a base's weight while it is used, `precision` says it in words.
    """

    step: float
    spread: float
    check: float
    around: float
    memory: int
    graphics_memory: int
    weight_bytes: float
    precision: str


def pack_lessons(base: Path, lessons: Path, config: TrainConfig, split: Split | None) -> Lessons:
    """Tokenise and pack up to SAMPLE lessons as `train` does, and say what all come to.

    Lessons lie in a random order, so the first are a sample. `split` is as in `train`.
    """
    began = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(base, **LOCAL)
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    split = split or splitter_of(tokenizer)
    rows = read_jsonl(lessons)
    first = list(islice(rows, SAMPLE))
    fit = fit_for(config, AutoConfig.from_pretrained(base, **LOCAL), tokenizer, split)
    fitted = [pair for row in first for pair in fit.of(row)]
    sample = [tokens for _, tokens in fitted]
    row_tokens = row_length(config, fit.limit, sample)
    said = sum(m["role"] == "assistant" for row in first for m in row.get("messages", ()))
    scale = 1 + sum(1 for _ in rows) / max(1, len(first))
    packed = len(PackedRows(sample, row_tokens, 0))
    tokens = sum(len(lesson.ids) for lesson in sample)
    answers = sum(label != IGNORED for lesson in sample for label in lesson.labels)
    aside = lessons.with_name("development.jsonl")
    return Lessons(
        lessons,
        aside if aside.exists() and any(read_jsonl(aside)) else None,
        round(scale * tokens),
        round(scale * text_tokens(fitted)),
        round(scale * packed),
        row_tokens,
        answers / max(1, tokens),
        answers / max(1, said),
        scale * (time.monotonic() - began),
    )


def recipe_for(lessons: Lessons, config: TrainConfig, hidden: int, layers: int) -> Recipe:
    """Return the recipe that `train` would choose."""
    return recipe(config, Amount(lessons.corpus, lessons.rows), hidden, layers)


def rehearse(
    base: Path, lessons: Lessons, plan: Recipe, config: TrainConfig, steps: int = STEPS
) -> Rehearsed:
    """Train a base for a few steps and throw the result away.

    Raises BaseModelError, TrainingError as `train` does.
    """
    began, peak = time.monotonic(), Peak()
    with tempfile.TemporaryDirectory() as scratch, _watched() as seen:
        train_shortly(base, lessons.file, plan, config, steps, Path(scratch), lessons.aside)
    found = (peak.bytes(), peak.graphics_bytes(), *seen.precision())
    _give_back()
    seconds = seen.seconds()
    step = statistics.median(seconds)
    around = max(0.0, time.monotonic() - began - steps * step - seen.asked)
    return Rehearsed(step, (max(seconds) - min(seconds)) / 2, seen.asked, around, *found)


def train_shortly(
    base: Path,
    lessons: Path,
    plan: Recipe,
    config: TrainConfig,
    steps: int,
    folder: Path,
    aside: Path | None = None,
) -> Path:
    """Train on some lessons by a recipe, but for few steps; return the adapter's folder.

    The questions set `aside` are asked once, behind the last step.
    """
    short = replace(
        config,
        steps=steps,
        rank=plan.rank,
        alpha=plan.alpha,
        learning_rate=plan.learning_rate,
        layers=plan.layers,
    )
    # Without the soft targets that a lesson asks for: there are none yet, and they cost little.
    rows = ({**row, "targets": None} for row in islice(read_jsonl(lessons), TRIED))
    write_jsonl(folder / "lessons.jsonl", rows)
    adapter, metrics = folder / "adapter", folder / "metrics.jsonl"
    train(
        base,
        folder / "lessons.jsonl",
        adapter,
        metrics,
        folder / "checkpoints",
        short,
        development=Development(aside, lambda *_: False) if aside else None,
    )
    return adapter


@dataclass
class _Seen:
    """When each step ended, how long was asked, and how a frozen matrix was multiplied."""

    ends: list[tuple[float, int]] = field(default_factory=list)  # with the next step's threads
    asks: list[float] = field(default_factory=list)  # the first and the last time
    weight: torch.dtype = torch.float32
    computed: torch.dtype = torch.float32
    bytes: int = 0
    packed: bool = False

    def step(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append((time.monotonic(), torch.get_num_threads()))

    def seconds(self) -> list[float]:
        """Return the seconds of the steps with the thread count that was fastest."""
        found: dict[int, list[float]] = {}
        for (began, threads), (ended, _) in pairwise(self.ends):
            found.setdefault(threads, []).append(ended - began)
        fastest = min(found.values(), key=statistics.median)
        # One step alone says nothing of how much steps differ.
        return fastest if len(fastest) > 1 else list(chain.from_iterable(found.values()))

    @property
    def asked(self) -> float:
        """Return the seconds from the first to the last token of the answers."""
        return self.asks[-1] - self.asks[0] if self.asks else 0.0

    def forward(self, module: Any, _: Any) -> None:
        if self.ends and not module.training:
            self.asks = [*self.asks[:1], time.monotonic()]
        if self.bytes or not type(module).__name__.startswith("Linear"):
            return
        weight = getattr(module, "weight", None)
        if weight is not None and not weight.requires_grad:
            device = weight.device.type
            cast = torch.is_autocast_enabled(device)
            self.weight, self.bytes = weight.dtype, weight.element_size()
            self.packed = hasattr(weight, "quant_state")  # bitsandbytes': two weights in a byte
            self.computed = torch.get_autocast_dtype(device) if cast else weight.dtype
            self.computed = module.compute_dtype if self.packed else self.computed

    def precision(self) -> tuple[float, str]:
        """Return the bytes of a weight with the copy that autocast makes of it, and words."""
        kept, computed = (str(of).removeprefix("torch.") for of in (self.weight, self.computed))
        if self.packed:
            return NF4_BYTES, f"4-bit weights, {computed} products"
        copy = self.computed.itemsize if kept != computed else 0
        return self.bytes + copy, f"{kept} weights, {computed} products"


@contextmanager
def _watched() -> Iterator[_Seen]:
    """Watch every optimiser and every module of PyTorch while the context is open."""
    seen = _Seen()
    hooks = [
        register_optimizer_step_post_hook(seen.step),
        register_module_forward_pre_hook(seen.forward),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _give_back() -> None:
    """Return freed memory to the system, so that what is measured next isn't the less for it.

    Python frees what nobody uses; the C library keeps it for itself. glibc has malloc_trim.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
