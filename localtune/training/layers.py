"""LoRA matrices on the upper layers of a base."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model

from localtune.config.stages import NF4, TrainConfig
from localtune.training.fused_lora import fuse_lora
from localtune.training.layer_inputs import decoder_layers
from localtune.training.lora import Recipe
from localtune.training.machine import halve_what_is_frozen, in_bf16, on_gpu
from localtune.workspace import atomic_path


def adapter_for(model: Any, plan: Recipe) -> LoraConfig:
    """Return PEFT's configuration: LoRA on all linear layers of the upper decoder layers."""
    return LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        exclude_modules=_lower_layers(model, plan.layers),
        task_type="CAUSAL_LM",
    )


def with_lora(model: Any, plan: Recipe, config: TrainConfig) -> PeftModel:
    """Return a model with LoRA matrices, in the type and with the products of this machine."""
    tuned = get_peft_model(model, adapter_for(model, plan))
    if in_bf16(config) and not on_gpu(config) and config.precision != NF4:
        halve_what_is_frozen(tuned)
    fuse_lora(tuned)
    return tuned


def first_trained(model: Any, plan: Recipe) -> int:
    """Return the number of the first layer that is trained, 0 where layers cannot be told apart."""
    layers = decoder_layers(model)
    return max(0, len(layers) - plan.layers) if layers else 0


def _lower_layers(model: Any, trained: int) -> str | None:
    """Return a pattern of the names of modules that are not trained, None where all are."""
    layers = decoder_layers(model)
    if layers is None or trained >= len(layers):
        return None
    name = next(name for name, module in model.named_modules() if module is layers)
    numbers = "|".join(str(i) for i in range(len(layers) - trained))
    return rf"(.*\.)?{re.escape(name)}\.({numbers})\..*"


def save_adapter(model: PeftModel, tokenizer: Any, adapter: Path) -> None:
    """Write the adapter, the same bytes wherever the build folder lies and whatever the run."""
    kept = model.peft_config["default"]
    kept.base_model_name_or_path = "../base"
    kept.target_modules = sorted(kept.target_modules)
    with atomic_path(adapter) as temporary:
        model.save_pretrained(temporary, save_embedding_layers=False)
        tokenizer.save_pretrained(temporary)
