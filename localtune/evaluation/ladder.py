"""Levels against their master: how far each strays, what it still knows, how fast it is.

Takes loaded models and an exam; gives the rungs of work/ladder.json. Knows no files or runtime:
whatever has Runtime's methods will do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from localtune.evaluation.faithful import Logits, Messages, agreement, divergence
from localtune.evaluation.recall import Row, grade
from localtune.progress import Progress, Silent
from localtune.prompts import with_system

SLACK = 0.015  # recall that a smaller level may cost
Rung = dict[str, Any]


class LadderAnswer(Protocol):
    """An answer: its text and its token ids."""

    @property
    def text(self) -> str: ...
    @property
    def ids(self) -> tuple[int, ...]: ...


class LadderRuntime(Protocol):
    """A loaded GGUF, such as llama.llama.Model."""

    @property
    def context(self) -> int: ...
    def render(self, messages: Messages) -> str: ...
    def token_ids(self, text: str) -> list[int]: ...
    def logits(self, ids: list[int]) -> Logits: ...
    def ask(self, messages: Messages, max_tokens: int = 64) -> LadderAnswer: ...


@dataclass(frozen=True)
class ExamAnswers:
    """What a model said to every question: its rung, and each question with its answer, as ids."""

    rung: Rung
    texts: list[list[int]]


def sit(
    model: LadderRuntime,
    rows: list[Row],
    longest: int,
    progress: Progress = Silent(),
    system: str = "",
) -> ExamAnswers:
    """Ask a model an exam, answers of up to `longest` tokens, behind a system prompt if any.

    The rung holds "recall", its 95 % "interval", "tokens_per_second" (of answers, the reading of
    the question included) and "answer_tokens". Raises EvaluationError for an empty exam.
    """
    texts, seconds, tokens = list[list[int]](), 0.0, 0

    def ask(question: str) -> str:
        nonlocal seconds, tokens
        messages = with_system([{"role": "user", "content": question}], system)
        began = time.perf_counter()
        said = model.ask(messages, max_tokens=longest)
        seconds += time.perf_counter() - began
        tokens += len(said.ids)
        prompt = model.token_ids(model.render(messages))
        texts.append([*prompt, *said.ids][: model.context - 1])
        return said.text

    score = grade(rows, ask, progress)
    rung = {
        "recall": score.recall,
        "interval": [score.lo, score.hi],
        "tokens_per_second": round(tokens / seconds, 1) if tokens else 0.0,
        "answer_tokens": tokens,
    }
    return ExamAnswers(rung, texts)


def stray(
    master: LadderRuntime,
    level: LadderRuntime,
    texts: list[list[int]],
    progress: Progress = Silent(),
) -> Rung:
    """Compare two models on token ids; return {"kl", "top1", "tokens"}.

    `kl` is the mean Kullback-Leibler divergence, in nats, of the level's next-token distribution
    from the master's, `top1` the share of tokens on which both choose alike.
    """
    kl, alike = [], []
    with progress.bar("compare", len(texts)) as bar:
        for ids in texts:
            wanted, got = master.logits(ids), level.logits(ids)
            kl.append(divergence(wanted, got))
            alike.append(agreement(wanted, got))
            bar.advance()
    counted = np.concatenate(kl)
    return {
        "kl": float(counted.mean()),
        "top1": float(np.concatenate(alike).mean()),
        "tokens": len(counted),
    }


def recommend(master: Rung, rungs: Sequence[Rung]) -> tuple[str, str]:
    """Return the level to take and why: the smallest of at most 1.5 points below the best recall.

    Where none is so good, that of the highest recall, the smallest of several; "" where nothing
    was measured.
    """
    measured = [rung for rung in rungs if "recall" in rung]
    if not measured:
        return "", "No level was measured."
    best = max(rung["recall"] for rung in [master, *measured])
    # Shares of whole questions: a difference of 1.5 points must not be lost to rounding.
    fit = [rung for rung in measured if best - rung["recall"] <= SLACK + 1e-9]
    if fit:
        why = f"It is the smallest whose recall is at most {100 * SLACK:g} points below the best"
        return str(min(fit, key=lambda rung: rung["bytes"])["level"]), f"{why} ({best:.1%})."
    first = min(measured, key=lambda rung: (-rung["recall"], rung["bytes"]))
    why = f"All fall more than {100 * SLACK:g} points below the best ({best:.1%}); it falls least."
    return str(first["level"]), why
