"""The loss over answer tokens only, without the logits of all the others."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad

from localtune.training.tokenise import IGNORED

CHUNK = 4096  # tokens whose logits exist at one time
SIZES = 128  # the numbers of answer tokens that a step may have are multiples of it


def answer_loss(
    model: Any, batch: dict[str, torch.Tensor], counted: int | None = None
) -> torch.Tensor:
    """Mean cross-entropy over the labelled tokens of a packed batch (rows, length).

    `counted` is what the sum is divided by, where a batch is one of several parts.
    The head is applied to the positions that predict a label, at most CHUNK of them at a time:
    never (rows, length, vocabulary) logits. `model` is a PEFT model around a causal LM.
    """
    causal = model.get_base_model()
    hidden = causal.base_model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    targets = batch["labels"][:, 1:]
    counts = targets != IGNORED
    wanted, targets = hidden[:, :-1][counts], targets[counts]
    counted = len(targets) if counted is None else counted
    wanted, targets = _filled_up(wanted, targets)
    parts = [
        cross_entropy(_logits(causal, h).float(), t, reduction="sum")
        for h, t in zip(wanted.split(CHUNK), targets.split(CHUNK), strict=True)
    ]
    return torch.stack(parts).sum() / max(1, counted)


def _filled_up(wanted: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Add positions without a label up to a multiple of SIZES.

    Every step has another number of answer tokens. For each shape that it hasn't seen oneDNN keeps
    a kernel, and malloc finds no room that fits: the built-in base's memory grew by 6 MB a step.
    """
    more = -len(targets) % SIZES
    return pad(wanted, (0, 0, 0, more)), pad(targets, (0, more), value=IGNORED)


def _logits(causal: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Apply the head as the model itself does: Gemma caps its logits, Granite divides them."""
    logits: torch.Tensor = causal.get_output_embeddings()(hidden)
    config = causal.config.get_text_config()
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits
