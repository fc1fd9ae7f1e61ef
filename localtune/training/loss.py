"""The loss over answer tokens only, without the logits of all the others.

Cross-entropy, but for tokens with soft targets (distil.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import pad

from localtune.training.distil import SOFT, WEIGHTS, token_losses
from localtune.training.tokenise import IGNORED

CHUNK = 4096  # tokens whose logits exist at one time
SIZES = 128  # the numbers of answer tokens that a step may have are multiples of it


def answer_loss(
    model: Any,
    batch: dict[str, torch.Tensor],
    counted: float | None = None,
    hear: Callable[[torch.Tensor], None] = lambda losses: None,
) -> torch.Tensor:
    """Mean loss over the labelled tokens of a packed batch (rows, length).

    `counted` is what the sum is divided by, where a batch is one of several parts. `hear` is given
    the cross-entropy of each labelled token, (tokens,).
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
    soft = [batch[name][:, 1:][counts].split(CHUNK) for name in SOFT if name in batch]
    parts = [
        token_losses(logits_of(causal, _filled_up(h))[: len(h)].float(), t, *s)
        for h, t, *s in zip(wanted.split(CHUNK), targets.split(CHUNK), *soft, strict=True)
    ]
    hear(torch.cat([each.detach() for _, each in parts]))
    return torch.stack([loss for loss, _ in parts]).sum() / max(
        1, tokens_of(batch) if counted is None else counted
    )


def _filled_up(hidden: torch.Tensor) -> torch.Tensor:
    """Add positions up to a multiple of SIZES.

    Every step has another number of answer tokens. For each shape that it hasn't seen oneDNN keeps
    a kernel, and malloc finds no room that fits: the built-in base's memory grew by 6 MB a step.
    """
    return pad(hidden, (0, 0, 0, -len(hidden) % SIZES))


def tokens_of(batch: dict[str, torch.Tensor]) -> float:
    """Return how many tokens of a batch the loss is taken on, each as often as it counts."""
    counts = batch["labels"][:, 1:] != IGNORED
    weights = batch[WEIGHTS][:, 1:][counts] if WEIGHTS in batch else counts
    return float(weights.sum())


def logits_of(causal: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Apply the head as the model itself does: Gemma caps its logits, Granite divides them."""
    logits: torch.Tensor = causal.get_output_embeddings()(hidden)
    config = causal.config.get_text_config()
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits
