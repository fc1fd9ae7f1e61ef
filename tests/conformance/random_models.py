"""Two-layer random models of every family and variant, as transformers saves them.

VARIANTS turns on every option of a family that reaches the GGUF at least once. Old style is what
versions before 5 wrote: rope_theta and rope_scaling beside each other instead of rope_parameters.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

SMALL = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.05,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "rope_theta": 1e6,
    "beta_fast": 32.0,
    "original_max_position_embeddings": 128,
    "beta_slow": 1.0,
}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 128,
    "long_factor": [1.0 + i / 8 for i in range(32)],
    "short_factor": [1.0] * 32,
}
UNTIED, TIED = {"tie_word_embeddings": False}, {"tie_word_embeddings": True}
GEMMA = {"head_dim": 64, "sliding_window": 64, "query_pre_attn_scalar": 64}
GEMMA4 = {
    "head_dim": 64,
    "global_head_dim": 128,
    "sliding_window": 64,
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 32,
    "enable_moe_block": False,
    "layer_types": ["sliding_attention", "full_attention"],
}
FOUR = [*GEMMA4["layer_types"], *GEMMA4["layer_types"]]  # type: ignore[misc]
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2}
QWEN3_EXPERTS = {"moe_intermediate_size": 128, "norm_topk_prob": True}
LINEAR_ATTENTION = {
    "head_dim": 64,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention"],
}
# Name of the test -> (transformers' model_type, what differs from SMALL).
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", UNTIED),
    "llama tied, biases, all heads": (
        "llama",
        {**TIED, "attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4},
    ),
    "llama wide heads, llama 3 rope": ("llama", {"head_dim": 128, "rope_parameters": LLAMA3}),
    "llama linear rope": ("llama", {"rope_parameters": LINEAR}),
    "llama yarn": ("llama", {"rope_parameters": YARN}),
    "llama old style": ("llama", {"rope_parameters": LLAMA3, "old": True}),
    "llama says little": ("llama", {"little": True}),
    "mistral": ("mistral", {"head_dim": 32, "sliding_window": None}),
    "mistral says little": ("mistral", {"little": True}),
    "mixtral": ("mixtral", EXPERTS),
    "qwen2": ("qwen2", TIED),
    "qwen2 yarn, old style": ("qwen2", {"rope_parameters": YARN, "old": True}),
    "qwen3": ("qwen3", {"head_dim": 128, **TIED}),
    "qwen3 yarn": (
        "qwen3",
        {"head_dim": 32, "rope_parameters": YARN},
    ),
    "qwen3 says little": ("qwen3", {"head_dim": 128, "little": True}),
    "qwen3 moe": ("qwen3_moe", {**EXPERTS, **QWEN3_EXPERTS, "head_dim": 128}),
    "qwen3 moe says little": ("qwen3_moe", {**EXPERTS, **QWEN3_EXPERTS, "little": True}),
    "qwen3.5": ("qwen3_5_text", LINEAR_ATTENTION),
    "gemma2": ("gemma2", GEMMA),
    "gemma2 old style": ("gemma2", {**GEMMA, "old": True}),
    "gemma3": ("gemma3_text", {**GEMMA, "final_logit_softcapping": 30.0}),
    "gemma3 old style": ("gemma3_text", {**GEMMA, "old": True}),
    "gemma4": ("gemma4_text", {**GEMMA4, "final_logit_softcapping": 30.0}),
    "gemma4 without per-layer embeddings": (
        "gemma4_text",
        {**GEMMA4, "hidden_size_per_layer_input": 0, "num_hidden_layers": 4, "layer_types": FOUR},
    ),
    "gemma4 sharing keys": (
        "gemma4_text",
        {
            **GEMMA4,
            "num_hidden_layers": 4,
            "layer_types": FOUR,
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
        },
    ),
    "phi3": ("phi3", UNTIED),
    "phi3 long": ("phi3", {"rope_parameters": LONG}),
    "phi3 partial": (
        "phi3",
        {"rope_parameters": {**LINEAR, "rope_type": "default", "partial_rotary_factor": 0.5}},
    ),
    "granite": (
        "granite",
        {
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.25,
            **TIED,
            "residual_multiplier": 0.5,
            "logits_scaling": 2.0,
        },
    ),
    "granite says little": ("granite", {"little": True}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", {"sliding_window": 64}),
    "smollm3": ("smollm3", TIED),
    "smollm3 yarn": ("smollm3", {"rope_parameters": YARN}),
    "starcoder2": ("starcoder2", {}),
    "starcoder2 untied": ("starcoder2", UNTIED),
    "gpt2": ("gpt2", {}),
}
GPT2 = {"n_embd": 256, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.05}


def make_model(
    folder: Path, variant: str, vocabulary: int, dtype: torch.dtype = torch.bfloat16, **more: Any
) -> Path:
    """Save a random model of a variant; `more` goes to from_config's save_pretrained."""
    kind, given = VARIANTS[variant]
    given = dict(given)
    old, little = given.pop("old", False), given.pop("little", False)
    chosen = {**GPT2} if kind == "gpt2" else {**SMALL, **given}
    if kind == "gemma4_text":
        chosen["vocab_size_per_layer_input"] = vocabulary
    settings = AutoConfig.for_model(
        kind, vocab_size=vocabulary, eos_token_id=2, bos_token_id=None, **chosen
    )
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(settings).to(dtype)
    for name, weight in model.named_parameters():
        if name.endswith(("norm.weight", "bias")):  # else ones and zeros
            torch.nn.init.normal_(weight, mean=0.0 if "bias" in name else 1.0, std=0.1)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **more)
    if kind == "gpt2":
        edit(folder, n_ctx=512)  # which the script asks for
    if old:
        edit(folder, **_old_style(read(folder)))
    if little:
        _say_little(folder)
    return folder


def read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text()))


def edit(folder: Path, **values: Any) -> None:
    """Change keys of config.json; None removes one."""
    config = {**read(folder), **values}
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


def _old_style(config: dict[str, Any]) -> dict[str, Any]:
    """Return rope_parameters as transformers 4 wrote them."""
    given = config["rope_parameters"]
    if "full_attention" in given:
        return {
            "rope_parameters": None,
            "rope_theta": given["full_attention"]["rope_theta"],
            "rope_local_base_freq": given["sliding_attention"]["rope_theta"],
        }
    scaling = {key: value for key, value in given.items() if key != "rope_theta"}
    return {
        "rope_parameters": None,
        "rope_theta": given["rope_theta"],
        "rope_scaling": scaling if scaling["rope_type"] != "default" else None,
    }


def _say_little(folder: Path) -> None:
    """Leave only what no default could be right for, as hand-written files do."""
    config = read(folder)
    kept = {"architectures", "model_type", "tie_word_embeddings", "vocab_size", *SMALL, *EXPERTS}
    kept |= QWEN3_EXPERTS.keys()
    (folder / "config.json").write_text(json.dumps({k: config[k] for k in kept if k in config}))
