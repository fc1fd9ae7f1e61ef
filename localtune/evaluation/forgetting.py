"""What a model still knows of general English: held_out.txt + a loaded GGUF -> its loss.

The text is no part of any lesson, so how much the loss rises from base to tuned model says what the
tuning cost. Knows no files of a build and no runtime: whatever has Runtime's methods will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from localtune.evaluation.faithful import Logits
from localtune.progress import Progress, Silent

HELD_OUT = Path(__file__).parent / "held_out.txt"
MOST = 0.05  # nats a token that the loss may rise


class LossRuntime(Protocol):
    """A loaded GGUF, such as llama.llama.Model."""

    @property
    def context(self) -> int: ...
    def token_ids(self, text: str) -> list[int]: ...
    def logits(self, ids: list[int]) -> Logits: ...


def held_out() -> list[str]:
    """Return the pieces of general text, a few sentences each."""
    lines = HELD_OUT.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def general_loss(
    model: LossRuntime, texts: Sequence[str] | None = None, progress: Progress = Silent()
) -> dict[str, Any]:
    """Return {"loss", "tokens"}: mean cross-entropy in nats a token over the held-out text.

    Each piece is read by itself, cut to the model's context; its first token isn't counted.
    """
    texts = held_out() if texts is None else texts
    losses = []
    with progress.bar("general text", len(texts)) as bar:
        for text in texts:
            ids = model.token_ids(text)[: model.context - 1]
            losses.append(token_losses(model.logits(ids)[:-1], ids[1:]))
            bar.advance()
    every = np.concatenate(losses)
    return {"loss": float(every.mean()), "tokens": len(every)}


def token_losses(logits: Logits, ids: list[int]) -> Logits:
    """Return the cross-entropy of each token in nats, from the logits behind the one before it."""
    highest = logits.max(axis=-1)
    total = np.exp(logits - highest[:, None]).sum(axis=-1, dtype=np.float64)
    said = np.take_along_axis(logits, np.asarray(ids)[:, None], axis=-1)[:, 0]
    return np.asarray(np.log(total) + highest - said)


def compared(general: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what general_loss gave for "base" and the levels, and by how much the loss rose.

    {"tokens", "base", "tuned": {level: nats}, "rise": {level: nats}, "most": what may be called
    kept}; a rise is below 0 where the loss fell.
    """
    base = general["base"]
    tuned = {level: one["loss"] for level, one in general.items() if level != "base"}
    rise = {level: loss - base["loss"] for level, loss in tuned.items()}
    return {
        "tokens": base["tokens"],
        "base": base["loss"],
        "tuned": tuned,
        "rise": rise,
        "most": MOST,
    }
