"""The loss of an answer that has soft targets: what a teacher thought at each of its tokens.

Forward KL from the teacher's likeliest tokens and one "other" bucket for all the rest, plus a
little cross-entropy. The bucket keeps the optimum where it belongs, at the teacher's own
probabilities; the same tokens renormalised to 1 would teach the student to be surer than its
teacher (Anshumann et al. 2025, Sparse Logit Sampling, arXiv:2503.16870). By the log-sum inequality
it is never more than the exact KL, and equals it where these tokens are the whole vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

LEAST = -100.0  # a log-probability that stands for none, so that 0 times it is 0
WEIGHTS = "soft_weights"
SOFT = ("soft_ids", "soft_logprobs", WEIGHTS)  # what a batch holds beside its labels


@dataclass(frozen=True)
class Mix:
    """How much a token with soft targets counts beside one without, and how.

    `hard` is the share of cross-entropy beside the KL.
    """

    weight: float
    hard: float

    def weights(self) -> torch.Tensor:
        """Return the weights of cross-entropy and KL, (2,)."""
        return self.weight * torch.tensor([self.hard, 1 - self.hard])


# What the base thinks of a text is to be kept, not the text's own words: those of the few texts
# were soon known by heart, at the cost of recall (docs/decisions/0023-replay.md).
MIXES = {"passage": Mix(1.0, 0.1), "alone": Mix(2.0, 0.0)}


def token_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    ids: torch.Tensor | None = None,
    logprobs: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed loss of tokens, and the cross-entropy of each, (tokens,).

    `logits` (tokens, vocabulary), `labels` (tokens,), `ids` and `logprobs` (tokens, k): the
    teacher's likeliest tokens with their natural log-probabilities, `weights` (tokens, 2) of the
    cross-entropy and of the KL, which is 0 where there is no target. The last three are None where
    the whole batch has none.
    """
    each = cross_entropy(logits, labels, reduction="none")
    if ids is None or logprobs is None or weights is None:
        return each.sum(), each
    hard = (weights[:, 0] * each).sum()
    soft = weights[:, 1] > 0
    if not soft.any():
        return hard, each
    kl = bucket_kl(logits[soft], ids[soft], logprobs[soft])
    return hard + (weights[soft, 1] * kl).sum(), each


def bucket_kl(logits: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
    """Return KL(teacher || student) of each token in nats, (tokens,), the rest as one bucket."""
    taught, logits = logprobs.float(), logits.float()
    whole = logits.logsumexp(-1)
    said = logits.gather(-1, ids.long()) - whole[:, None]
    # A token of probability 0 adds nothing; float16 may have made its logarithm -inf.
    kl = (taught.exp() * (taught.clamp(min=LEAST) - said)).sum(-1)
    if ids.shape[-1] == logits.shape[-1]:
        return kl
    left = logits.scatter(-1, ids.long(), -torch.inf).logsumexp(-1) - whole
    rest = (1 - taught.exp().sum(-1)).clamp(min=0.0)
    return kl + torch.xlogy(rest, rest) - rest * left
