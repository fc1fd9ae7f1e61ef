"""A few steps of real training on a base cut short: seconds a step, and memory. Keeps nothing.

What is measured is what `train` does: its own model, adapter, arguments, trainer and loss.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from peft import get_peft_model
from transformers import AutoTokenizer, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from localtune.config import PLAIN_TEMPLATE, TrainConfig
from localtune.training.lora import Recipe, recipe
from localtune.training.tokenise import IGNORED, PackedRows, Split, splitter_of, tokenise
from localtune.training.train import _adapter, _arguments, _save, load
from localtune.training.trainer import AnswerTrainer
from localtune.usage import Peak
from localtune.workspace import read_jsonl

SAMPLE = 2000  # lessons that are tokenised
STEPS = 4  # the first isn't counted: it warms up, and AdamW has no memory yet


@dataclass(frozen=True)
class Lessons:
    """Some packed lessons, and what all of them come to.

    `answers` is the share of tokens that is learned, `said` the tokens of an answer, `seconds` what
    tokenising all will take.
    """

    sample: PackedRows
    tokens: int
    rows: int
    answers: float
    said: float
    seconds: float

    @property
    def memory(self) -> int:
        """Return the bytes that all lessons take as lists of ids and labels in CPython."""
        return self.tokens * 48


@dataclass(frozen=True)
class Rehearsed:
    """Seconds of a step (median, and half the range of all), of all else; bytes at the highest.

    `weight_bytes` are those of a base's weight while it is used, `precision` says it in words.
    """

    step: float
    spread: float
    around: float
    memory: int
    graphics_memory: int
    weight_bytes: int
    precision: str


def pack_lessons(base: Path, lessons: Path, config: TrainConfig, split: Split | None) -> Lessons:
    """Tokenise and pack up to SAMPLE lessons as `train` does, and say what all come to.

    Lessons lie in a random order, so the first are a sample. `split` is as in `train`.
    """
    began = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    split = split or splitter_of(tokenizer)
    rows = read_jsonl(lessons)
    first = list(islice(rows, SAMPLE))
    sample = [tokenise(row, tokenizer, split, config.max_length) for row in first]
    said = sum(m["role"] == "assistant" for row in first for m in row.get("messages", ()))
    scale = 1 + sum(1 for _ in rows) / max(1, len(sample))
    packed = PackedRows(sample, config.max_length, tokenizer.pad_token_id or 0)
    tokens = sum(len(lesson.ids) for lesson in sample)
    answers = sum(label != IGNORED for lesson in sample for label in lesson.labels)
    return Lessons(
        packed,
        round(scale * tokens),
        round(scale * len(packed)),
        answers / max(1, tokens),
        answers / max(1, said),
        scale * (time.monotonic() - began),
    )


def recipe_for(lessons: Lessons, config: TrainConfig, hidden: int, model_type: str) -> Recipe:
    """Return the recipe that `train` would choose."""
    return recipe(config, lessons.tokens, lessons.rows, hidden, model_type)


def rehearse(
    base: Path, lessons: Lessons, plan: Recipe, config: TrainConfig, steps: int = STEPS
) -> Rehearsed:
    """Train a base for a few steps and throw the result away.

    Raises BaseModelError, TrainingError as `train` does.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    began, peak, clock = time.monotonic(), Peak(), Clock()
    with tempfile.TemporaryDirectory() as scratch:
        _, model = load(base)
        tuned = get_peft_model(model, _adapter(plan))
        arguments = _arguments(replace(plan, steps=steps), Path(scratch), config)
        trainer = AnswerTrainer(model=tuned, args=arguments, train_dataset=lessons.sample)
        trainer.warn = lambda _: None
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
        found = (peak.bytes(), peak.graphics_bytes(), *_precision(model, arguments.bf16))
        del trainer, tuned, model
    _give_back()
    whole, counted = time.monotonic() - began, clock.seconds[1:] or clock.seconds
    return Rehearsed(
        statistics.median(counted),
        (max(counted) - min(counted)) / 2,
        whole - sum(clock.seconds),
        *found,
    )


def _precision(model: Any, bf16: bool) -> tuple[int, str]:
    """Return the bytes of a base's weight while it is used, and the precision in words."""
    weight = model.get_input_embeddings().weight
    kept = str(weight.dtype).removeprefix("torch.")
    computed = "bfloat16" if bf16 else kept
    cast = 2 if computed != kept else 0  # autocast's copy is kept for the way back
    return weight.element_size() + cast, f"{kept} weights, {computed} products"


def untrained_adapter(base: Path, plan: Recipe, folder: Path) -> Path:
    """Write an adapter that was never trained, in the form that `train` writes; return its folder.

    It changes nothing of the base, and costs what any of its rank does.
    """
    tokenizer, model = load(base)
    _save(get_peft_model(model, _adapter(plan)), tokenizer, folder)
    return folder


class Clock(TrainerCallback):
    """The seconds of each step, until its gradients have been used."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        _wait_for_the_card()
        self.seconds.append(time.monotonic() - self._began)


def _give_back() -> None:
    """Return freed memory to the system, so that what is measured next isn't the less for it.

    Python frees what nobody uses; the C library keeps it for itself. glibc has malloc_trim.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _wait_for_the_card() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
