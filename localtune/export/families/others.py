"""OLMo 2 and 3, Phi 3 and 4, StarCoder 2, GPT-2. See the package's first lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localtune.export.families.family import Family
from localtune.export.families.rope import (
    FIRST,
    LOCAL_THETA,
    YARN,
    long_attention_factor,
    long_factors,
    partial_width,
    rope_of,
)
from localtune.export.families.rows import ATTENTION, COMMON, MLP, NORMS
from localtune.export.read.config_json import Config

GPT2_LAYER = {
    "ln_1": ("attn_norm", "d"),
    "attn.c_attn": ("attn_qkv", "3d d"),
    "attn.c_proj": ("attn_output", "d d"),
    "ln_2": ("ffn_norm", "d"),
    "mlp.c_fc": ("ffn_up", "f d"),
    "mlp.c_proj": ("ffn_down", "d f"),
}


def _sliding(config: Config) -> dict[str, Any]:
    """Return OLMo 3's windows; OLMo 2 has none."""
    if "sliding_window" not in config:
        return {}
    layers = config["num_hidden_layers"]
    kinds = config.get("layer_types") or [
        "full_attention" if (i + 1) % 4 == 0 else "sliding_attention" for i in range(layers)
    ]
    return {
        "attention.sliding_window": int(config["sliding_window"]),
        "attention.sliding_window_pattern": [kind == "sliding_attention" for kind in kinds],
    }


OLMO2 = Family(
    "olmo2",
    ("Olmo2ForCausalLM",),
    {
        **ATTENTION,
        **MLP,
        "self_attn.q_norm": ("attn_q_norm", "q"),
        "self_attn.k_norm": ("attn_k_norm", "k"),
        "post_attention_layernorm": ("post_attention_norm", "d"),
        "post_feedforward_layernorm": ("post_ffw_norm", "d"),
    },
    {**COMMON, "rms_norm_eps": 1e-5, "max_position_embeddings": 2048},
    extra=_sliding,
)
OLMO3 = replace(
    OLMO2,
    classes=("Olmo3ForCausalLM",),
    defaults={
        **OLMO2.defaults,
        "rope_theta": 500000.0,
        "sliding_window": 4096,
        LOCAL_THETA: 500000.0,
    },
)


def _phi3(config: Config) -> dict[str, Any]:
    found = {
        "rope.scaling.original_context_length": rope_of(config)[FIRST],
        "rope.dimension_count": partial_width(config),
        # 0 tells Phi-4 from the others
        "attention.sliding_window": int(config.get("sliding_window") or 0),
    }
    factor = long_attention_factor(config)
    return found if factor is None else {**found, "rope.scaling.attn_factor": factor}


PHI3 = Family(
    "phi3",
    ("Phi3ForCausalLM",),
    {
        **NORMS,
        "self_attn.qkv_proj": ("attn_qkv", "q+2k d"),
        "self_attn.o_proj": ("attn_output", "d q"),
        "mlp.gate_up_proj": ("ffn_up", "2f d"),
        "mlp.down_proj": ("ffn_down", "d f"),
    },
    {
        **COMMON,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
    },
    without=frozenset({"attention.key_length", "attention.value_length"})
    | {f"rope.scaling.{key}" for key in ("type", "factor", *YARN)},
    extra=_phi3,
    factors=long_factors,
    tokenizer="phi3",
)
STARCODER2 = Family(
    "starcoder2",
    ("Starcoder2ForCausalLM",),
    {
        **NORMS,
        **ATTENTION,
        "mlp.c_fc": ("ffn_up", "f d"),
        "mlp.c_proj": ("ffn_down", "d f"),
    },
    {
        "num_key_value_heads": 2,
        "layer_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    },
)
GPT2 = Family(
    "gpt2",
    ("GPT2LMHeadModel",),
    GPT2_LAYER,
    {"max_position_embeddings": 1024, "layer_norm_eps": 1e-5, "tie_word_embeddings": True},
    outer={
        "wte": ("token_embd", "v d"),
        "wpe": ("position_embd", "p d"),
        "ln_f": ("output_norm", "d"),
        "lm_head": ("output", "v d"),
    },
    prefix="transformer.",
    layers="h",
    transposed=frozenset({"attn_qkv", "attn_output", "ffn_up", "ffn_down"}),
)
