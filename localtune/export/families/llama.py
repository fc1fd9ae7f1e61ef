"""Llama and the families that differ from it by little. See the package's first lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localtune.export.families.family import Family, rotary
from localtune.export.families.rope import llama3_factors
from localtune.export.families.rows import ATTENTION, COMMON, MLP, NORMS, PER_HEAD
from localtune.export.read.config_json import Config, head_width


def _like_llama(config: Config) -> dict[str, Any]:
    return {"vocab_size": config["vocab_size"], "rope.dimension_count": head_width(config)}


LLAMA = Family(
    "llama",
    ("LlamaForCausalLM",),
    {**NORMS, **ATTENTION, **MLP},
    {**COMMON, "head_dim": PER_HEAD, "max_position_embeddings": 2048},
    order={"attn_q": rotary("num_attention_heads"), "attn_k": rotary("num_key_value_heads")},
    extra=_like_llama,
    factors=llama3_factors,
    tokenizer="llama",
)
MISTRAL = replace(
    LLAMA,
    classes=("MistralForCausalLM",),
    defaults={**LLAMA.defaults, "max_position_embeddings": 131072, "num_key_value_heads": 8},
)
MIXTRAL = replace(
    LLAMA,
    classes=("MixtralForCausalLM",),
    layer={
        **NORMS,
        **ATTENTION,
        "block_sparse_moe.gate": ("ffn_gate_inp", "e d"),
        "block_sparse_moe.experts.{}.w1": ("ffn_gate_exps", "f d"),
        "block_sparse_moe.experts.{}.w2": ("ffn_down_exps", "d f"),
        "block_sparse_moe.experts.{}.w3": ("ffn_up_exps", "f d"),
    },
    defaults={
        **COMMON,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e6,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
)
SMOLLM3 = replace(
    LLAMA,
    arch="smollm3",
    classes=("SmolLM3ForCausalLM",),
    defaults={
        **COMMON,
        "rope_theta": 2e6,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    },
)


def _granite(config: Config) -> dict[str, Any]:
    """Return Granite's multipliers; it has no heads of another width."""
    scales = {
        "attention.scale": config.get("attention_multiplier"),
        "embedding_scale": config.get("embedding_multiplier"),
        "residual_scale": config.get("residual_multiplier"),
        "logit_scale": config.get("logits_scaling"),
    }
    return {
        "vocab_size": config["vocab_size"],
        "rope.dimension_count": config["hidden_size"] // config["num_attention_heads"],
        **{key: float(value) for key, value in scales.items() if value},
    }


GRANITE = replace(
    LLAMA,
    arch="granite",
    classes=("GraniteForCausalLM",),
    defaults={
        **COMMON,
        "max_position_embeddings": 2048,
        "attention_multiplier": 1.0,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1.0,
    },
    without=frozenset({"attention.key_length", "attention.value_length"}),
    extra=_granite,
)
