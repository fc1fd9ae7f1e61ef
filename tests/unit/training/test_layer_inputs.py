"""Kept inputs of the first trained layer: the same loss and gradients, and what cannot be kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen2Config

from localtune.progress import Silent
from localtune.training.isolation import attend_by_lesson
from localtune.training.layer_inputs import keep_layer_inputs
from localtune.training.layers import adapter_for, first_trained
from localtune.training.lora import Recipe
from localtune.training.loss import answer_loss
from localtune.training.tokenise import PLACES, PackedRows, Tokens

SMALL = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
FAMILIES = (LlamaConfig, Qwen2Config, Gemma3TextConfig)
PLAN = Recipe(8, 16.0, 1e-3, 10, 2, 3)


def lesson(size: int) -> Tokens:
    ids = torch.randint(5, 299, (size,)).tolist()
    return Tokens(ids, ids)


def made(family: type) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family(**SMALL))
    attend_by_lesson(model, 256)
    return model


def gradients(tuned: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    tuned.zero_grad()
    answer_loss(tuned, batch).backward()
    trained = [weight for weight in tuned.parameters() if weight.requires_grad]
    return torch.cat([weight.grad.flatten() for weight in trained])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_over_kept_inputs_are_the_same(family: type, tmp_path: Path) -> None:
    model = made(family)
    rows = PackedRows([lesson(size) for size in (30, 50, 17, 60, 44)], 64, 0)
    batch = rows.collate([rows[i] for i in range(len(rows))])
    first = first_trained(model, PLAN)
    tuned = get_peft_model(model, adapter_for(model, PLAN))
    wanted = gradients(tuned, batch)
    inputs = keep_layer_inputs(model, first, rows.tokens, tmp_path, Silent())
    assert first == 2 and inputs
    found = []
    for _ in range(2):
        with inputs.of(batch[PLACES]):
            found.append(gradients(tuned, batch))
    assert torch.equal(*found), "the first pass is rounded as the others are"
    assert (found[0] - wanted).norm() < 0.01 * wanted.norm()
    torch.testing.assert_close(gradients(tuned, batch), wanted)


def test_kept_inputs_are_those_of_the_token_and_not_of_the_row(tmp_path: Path) -> None:
    model = made(LlamaConfig)
    lessons = [lesson(size) for size in (30, 20, 40)]
    rows = PackedRows(lessons, 64, 0)
    inputs = keep_layer_inputs(model, 2, rows.tokens, tmp_path, Silent())
    tuned = get_peft_model(model, adapter_for(model, PLAN))
    assert inputs
    batch = rows.collate([rows[i] for i in range(len(rows))])
    with inputs.of(batch[PLACES]):
        gradients(tuned, batch)
    other = rows.collate([rows.item([rows.lessons[i] for i in order]) for order in ([1, 2], [0])])
    layers = model.model.layers
    seen: list[torch.Tensor] = []
    layers[2].register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0]), with_kwargs=True
    )
    with inputs.of(other[PLACES]):
        gradients(tuned, other)
    gradients(tuned, other)
    kept, computed = seen
    real = other[PLACES] < rows.tokens
    torch.testing.assert_close(kept[real], computed[real], atol=0.02, rtol=0.02)
    assert not kept[~real].any()


def test_only_the_upper_layers_are_trained() -> None:
    model = made(Qwen2Config)
    tuned = get_peft_model(model, adapter_for(model, PLAN))
    names = [name for name, weight in tuned.named_parameters() if weight.requires_grad]
    assert len(names) == 3 * 7 * 2
    assert not any(f"layers.{n}." in name for name in names for n in (0, 1))


def test_nothing_is_kept_where_all_layers_are_trained_or_the_disk_lacks_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(LlamaConfig)
    assert keep_layer_inputs(model, 0, 100, tmp_path, Silent()) is None
    told: list[str] = []

    class Told(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    free = lambda folder: type("Usage", (), {"free": 1000})()  # noqa: E731
    monkeypatch.setattr("shutil.disk_usage", free)
    assert keep_layer_inputs(model, 2, 100, tmp_path, Told()) is None
    assert len(told) == 1 and "disk" in told[0]


def test_a_full_disk_is_an_error_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space"):
        keep_layer_inputs(made(LlamaConfig), 2, 100, tmp_path, Silent())
