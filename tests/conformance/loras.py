"""Random LoRAs, and llama.cpp with a GGUF adapter."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import torch
from conftest import CHATML, KINDS
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.llama.engine import EngineModel

IDS = [5 + (i * 37) % 440 for i in range(64)]


def add_tokenizer(base: Path) -> Path:
    made = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
    made.chat_template = CHATML
    made.save_pretrained(base)
    return base


def make_adapter(base: Path, folder: Path, **config: Any) -> Path:
    """Save a random LoRA that changes a base noticeably."""
    torch.manual_seed(8)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(model, LoraConfig(**{**chosen, **config}))
    for name, weight in tuned.named_parameters():
        if "lora_" in name and "magnitude" not in name:
            torch.nn.init.normal_(weight, std=0.05)
    tuned.save_pretrained(folder)
    return folder


def edit_weights(adapter: Path, change: Any, stored: str = "adapter_model.safetensors") -> None:
    file = adapter / stored
    save_file({name: change(name, weight) for name, weight in load_file(file).items()}, file)


def logits(gguf: Path, adapter: Path | None = None) -> Any:
    """Return the logits of a GGUF, with a GGUF adapter upon it as llama.cpp's --lora has it."""
    model = EngineModel(gguf, 512, 1, None)
    if adapter:
        loaded = upon(model, adapter)
        assert loaded, "llama.cpp refuses the adapter"
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
        scale = (ctypes.c_float * 1)(1.0)
        assert llama_cpp.llama_set_adapters_lora(model._context, one, 1, scale) == 0
    return model.logits(IDS)


def upon(model: EngineModel, adapter: Path) -> Any:
    loaded = llama_cpp.llama_get_model(model._context)
    return llama_cpp.llama_adapter_lora_init(loaded, str(adapter).encode())
