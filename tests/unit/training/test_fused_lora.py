"""The product of a layer with its LoRA matrices: PEFT's own values and gradients."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from localtune.training.fused_lora import fuse_lora

SMALL = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
IDS = torch.arange(60).reshape(2, 30)


def tuned(family: type, **more: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family(**SMALL))
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    found = get_peft_model(model, LoraConfig(**options | more))
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return found.train()


def run(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits, and the gradients of all that is trained."""
    logits = model(IDS).logits
    logits.float().logsumexp(-1).sum().backward()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return logits.detach(), torch.cat([weight.grad.flatten() for weight in trained])


@pytest.mark.parametrize("family", [LlamaConfig, Qwen2Config])
def test_values_and_gradients_are_those_of_peft(family: type) -> None:
    usual = tuned(family)
    fused = deepcopy(usual)
    fuse_lora(fused)
    (logits, grads), (wanted, wanted_grads) = run(fused), run(usual)
    torch.testing.assert_close(logits, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(grads, wanted_grads, atol=1e-4, rtol=1e-3)


def test_in_bfloat16_they_differ_by_rounding() -> None:
    exact, usual = tuned(LlamaConfig), tuned(LlamaConfig)
    fused = deepcopy(usual)
    for layer in (*usual.modules(), *fused.modules()):
        if type(layer) is torch.nn.Linear and not layer.weight.requires_grad:
            layer.to(torch.bfloat16)
    fuse_lora(fused)
    _, wanted = run(exact)
    with torch.autocast("cpu", torch.bfloat16):
        errors = [
            float((run(model)[1] - wanted).norm() / wanted.norm()) for model in (fused, usual)
        ]
    assert errors[0] < 1.2 * errors[1] < 0.1 * wanted.norm()


def test_a_model_that_answers_is_left_to_peft() -> None:
    fused = tuned(LlamaConfig)
    fused.eval()
    wanted = fused(IDS).logits
    fuse_lora(fused)
    assert torch.equal(fused(IDS).logits, wanted)


@pytest.mark.parametrize("more", [{"use_dora": True}, {"lora_dropout": 0.5}, {"lora_bias": True}])
def test_other_kinds_of_lora_stay_as_they_are(more: dict[str, Any]) -> None:
    model = tuned(LlamaConfig, **more)
    before = {name: layer.forward for name, layer in model.named_modules()}
    fuse_lora(model)
    assert before == {name: layer.forward for name, layer in model.named_modules()}
