"""The loss on soft targets: the exact forward KL where it can be, never more, and its gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from localtune.training.distil import bucket_kl, token_losses


def drawn(tokens: int, vocabulary: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a student's logits, which want gradients, and a teacher's log-probabilities."""
    torch.manual_seed(seed)
    student = torch.randn(tokens, vocabulary, requires_grad=True)
    return student, (3 * torch.randn(tokens, vocabulary)).log_softmax(-1)


def exact(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    return kl_div(student.log_softmax(-1), teacher, reduction="none", log_target=True).sum(-1)


def buckets(probabilities: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Return the probabilities of some tokens and, behind them, that of all others."""
    others = probabilities.scatter(-1, ids, 0.0).sum(-1, keepdim=True)
    return torch.cat([probabilities.gather(-1, ids), others], -1)


@pytest.mark.parametrize("vocabulary", [2, 7, 20])
def test_on_a_small_vocabulary_it_is_the_exact_kl(vocabulary: int) -> None:
    student, teacher = drawn(64, vocabulary)
    logprobs, ids = teacher.topk(vocabulary)
    found, wanted = bucket_kl(student, ids, logprobs), exact(student, teacher)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    gradients = [torch.autograd.grad(x.sum(), student)[0] for x in (found, wanted)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=0)


def test_on_a_large_one_it_is_that_of_the_same_buckets_and_no_more_than_exact() -> None:
    student, teacher = drawn(64, 500)
    logprobs, ids = teacher.topk(20)
    p, q = (buckets(x.exp(), ids) for x in (teacher, student.log_softmax(-1)))
    found = bucket_kl(student, ids, logprobs)
    torch.testing.assert_close(found, (p * (p / q).log()).sum(-1), atol=1e-4, rtol=1e-4)
    assert (found <= exact(student, teacher) + 1e-5).all()
    assert (found > 0).all()


def test_a_student_that_agrees_has_no_loss_and_no_gradient() -> None:
    _, teacher = drawn(16, 300)
    student = teacher.clone().requires_grad_()
    logprobs, ids = teacher.topk(20)
    found = bucket_kl(student, ids, logprobs)
    assert found.abs().max() < 1e-5
    assert torch.autograd.grad(found.sum(), student)[0].abs().max() < 1e-5


def test_as_they_lie_on_the_disk_targets_are_near_the_exact_kl() -> None:
    student, teacher = drawn(64, 20)
    logprobs, ids = teacher.topk(20)
    found = bucket_kl(student, ids.int(), logprobs.half())
    torch.testing.assert_close(found, exact(student, teacher), atol=2e-3, rtol=0)


def test_a_teacher_that_is_sure_and_one_that_rules_out() -> None:
    """Probabilities of 0, as float16 has them, and a student that is sure of something else."""
    student = torch.zeros(1, 30)
    student[0, 0] = 200.0
    student.requires_grad_()
    logprobs = torch.tensor([[0.0, -torch.inf, -torch.inf]], dtype=torch.float16)
    found = bucket_kl(student, torch.tensor([[1, 2, 3]], dtype=torch.int32), logprobs)
    torch.testing.assert_close(found, torch.tensor([200.0]))
    assert torch.autograd.grad(found.sum(), student)[0].isfinite().all()


def test_tokens_without_targets_are_learned_by_cross_entropy() -> None:
    student, teacher = drawn(8, 50)
    labels = torch.arange(8)
    logprobs, ids = teacher.topk(20)
    weights = torch.tensor([[0.2, 1.8]] * 2 + [[0.1, 0.9]] + [[1.0, 0.0]] * 5)
    hard = cross_entropy(student, labels, reduction="none")
    soft = bucket_kl(student[:3], ids[:3], logprobs[:3])
    wanted = (weights[:, 0] * hard).sum() + (weights[:3, 1] * soft).sum()
    found, each = token_losses(student, labels, ids, logprobs, weights)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(each, hard)
    assert torch.autograd.grad(found, student)[0].isfinite().all()
    torch.testing.assert_close(token_losses(student, labels), (hard.sum(), hard))
