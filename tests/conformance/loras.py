"""Random LoRAs, llama.cpp's own converter of them, and llama.cpp with a GGUF adapter."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import torch
from conftest import CHATML, KINDS
from gguf import GGUFReader
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.runtimes.llama import Model

HERE = Path(__file__).parent
IDS = [5 + (i * 37) % 440 for i in range(64)]


class Script:
    """convert_lora_to_gguf.py in a process of its own, for many adapters."""

    def __init__(self, source: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "lora_reference_process.py"), str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"},
        )

    def convert(self, base: Path, adapter: Path, out: Path, kind: str) -> GGUFReader:
        assert self._process.stdin and self._process.stdout
        job = {"base": str(base), "adapter": str(adapter), "out": str(out), "kind": kind}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = next(line for line in self._process.stdout if line.startswith("@@"))
        error = json.loads(answer[2:]).get("error")
        assert not error, error
        return GGUFReader(out)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


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


def edit_weights(adapter: Path, change: Any) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file({name: change(name, weight) for name, weight in load_file(file).items()}, file)


def logits(gguf: Path, adapter: Path | None = None) -> Any:
    """Return the logits of a GGUF, with a GGUF adapter upon it as llama.cpp's --lora has it."""
    model = Model(gguf)
    if adapter:
        loaded = upon(model, adapter)
        assert loaded, "llama.cpp refuses the adapter"
        one = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
        scale = (ctypes.c_float * 1)(1.0)
        assert llama_cpp.llama_set_adapters_lora(model._context, one, 1, scale) == 0
    return model.logits(IDS)


def upon(model: Model, adapter: Path) -> Any:
    loaded = llama_cpp.llama_get_model(model._context)
    return llama_cpp.llama_adapter_lora_init(loaded, str(adapter).encode())
