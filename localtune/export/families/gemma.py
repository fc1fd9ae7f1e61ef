"""Gemma 2, 3 and 4 (text). See the package's first lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from localtune.export.families.family import OUTER, Family
from localtune.export.families.rope import LOCAL_THETA, proportional_factors
from localtune.export.families.rows import ATTENTION, COMMON, HEAD_NORMS, MLP, SANDWICH
from localtune.export.read.config_json import Config

# llama.cpp caps Gemma 2's logits at any rate; cap * tanh(logit / cap) is then the logit itself.
UNCAPPED = 1e6
GEMMA2 = Family(
    "gemma2",
    ("Gemma2ForCausalLM",),
    {**SANDWICH, **ATTENTION, **MLP},
    {
        **COMMON,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "sliding_window": 4096,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "tie_word_embeddings": True,
    },
    plus_one=frozenset({"output_norm", *(name for name, _ in SANDWICH.values())}),
    dropped=("lm_head",),
    without=frozenset({"rope.freq_base"}),
    extra=lambda config: {
        "attn_logit_softcapping": float(config["attn_logit_softcapping"]),
        "final_logit_softcapping": float(config["final_logit_softcapping"]),
        "attention.sliding_window": int(config["sliding_window"]),
    },
    tokenizer="gemma",
    nulls={"attn_logit_softcapping": UNCAPPED, "final_logit_softcapping": UNCAPPED},
)


def _gemma3(config: Config) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if config.get("final_logit_softcapping"):
        found["final_logit_softcapping"] = float(config["final_logit_softcapping"])
    if config.get("sliding_window_pattern") != 1:
        found["attention.sliding_window"] = int(config["sliding_window"])
    return found


GEMMA3 = Family(
    "gemma3",
    ("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"),
    {**SANDWICH, **ATTENTION, **HEAD_NORMS, **MLP},
    {
        **COMMON,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "rope_theta": 1e6,
        LOCAL_THETA: 10000.0,
        "sliding_window": 4096,
        "tie_word_embeddings": True,
        "vocab_size": 262208,
    },
    # Rows that no token has are left away, which not every file of Gemma 3 has.
    order={"token_embd": lambda config: np.arange(min(config["vocab_size"], config["tokens"]))},
    plus_one=GEMMA2.plus_one | {"attn_q_norm", "attn_k_norm"},
    dropped=("vision_tower", "multi_modal_projector"),
    extra=_gemma3,
    tokenizer="gemma",
)


def _full_layers(config: Config, key: str, usual: str) -> int | None:
    """Return what Gemma 4's layers of full attention have otherwise, such as wider heads."""
    if config.get(usual) is not None:
        return int(config[usual])
    full = [i for i, kind in enumerate(config["layer_types"]) if kind == "full_attention"]
    for layer, said in (config.get("per_layer_config") or {}).items():
        if int(layer) in full and key in said:
            return int(said[key])
    return None


def _gemma4(config: Config) -> dict[str, Any]:
    wide = _full_layers(config, "head_dim", "global_head_dim") or 512
    keys = _full_layers(config, "num_key_value_heads", "num_global_key_value_heads")
    sliding = [kind == "sliding_attention" for kind in config["layer_types"]]
    shared = int(config["num_kv_shared_layers"])
    found: dict[str, Any] = {
        **_gemma3(config),
        "attention.shared_kv_layers": shared,
        "embedding_length_per_layer_input": int(config["hidden_size_per_layer_input"] or 0),
        "attention.sliding_window_pattern": sliding,
        "attention.key_length": wide,
        "attention.value_length": wide,
        "attention.key_length_swa": int(config["head_dim"]),
        "attention.value_length_swa": int(config["head_dim"]),
        "rope.dimension_count": wide,
        "rope.dimension_count_swa": int(config["head_dim"]),
    }
    if keys is not None:
        few = int(config["num_key_value_heads"])
        found["attention.head_count_kv"] = [few if slides else keys for slides in sliding]
    if config.get("use_double_wide_mlp"):
        width, last = int(config["intermediate_size"]), len(sliding) - shared
        found["feed_forward_length"] = [width * (1 + (i >= last)) for i in range(len(sliding))]
    return found


GEMMA4_LAYER = {
    **SANDWICH,
    # Heads, and sometimes the MLP, are as wide as the kind of the layer says.
    **{name: (target, "") for name, (target, _) in {**ATTENTION, **HEAD_NORMS, **MLP}.items()},
    "layer_scalar": ("layer_output_scale", ""),
    "per_layer_input_gate": ("inp_gate", "i d"),
    "per_layer_projection": ("proj", "d i"),
    "post_per_layer_input_norm": ("post_norm", "d"),
}
SHARED = ("self_attn.k_proj", "self_attn.v_proj", "self_attn.k_norm")
PER_LAYER = (
    "embed_tokens_per_layer",
    "per_layer_model_projection",
    "per_layer_projection_norm",
)
GEMMA4 = Family(
    "gemma4",
    ("Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"),
    GEMMA4_LAYER,
    {
        **{key: value for key, value in GEMMA3.defaults.items() if key != "num_attention_heads"},
        "sliding_window": 512,
        "vocab_size": 262144,
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 256,
    },
    outer={
        **OUTER,
        "embed_tokens_per_layer": ("per_layer_token_embd", ""),
        "per_layer_model_projection": ("per_layer_model_proj", ""),
        "per_layer_projection_norm": ("per_layer_proj_norm", "i"),
    },
    order=GEMMA3.order,
    optional=frozenset({"lm_head", "layer_scalar", *SHARED, *PER_LAYER})
    | {name for name in GEMMA4_LAYER if "per_layer" in name},
    dropped=(
        *("vision_tower", "audio_tower", "embed_vision", "embed_audio"),
        "multi_modal_projector",
    ),
    bare=frozenset({"layer_scalar"}),
    extra=_gemma4,
    factors=lambda config: proportional_factors(
        config, _full_layers(config, "head_dim", "global_head_dim") or 512
    ),
    tokenizer="gemma4",
)
