"""Gemma 2, 3 and 4: a GGUF's metadata -> config.json. See configuration.py.

Source: src/models/gemma*.cpp of llama.cpp, as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from typing import Any

from localtune.export.families.assumed import FULL_EVERY, LARGEST
from localtune.export.families.gemma import UNCAPPED
from localtune.export.read.config_json import Config, head_width
from localtune.export.unpack.rotary import THETA, by_kind, proportional, rope_parameters
from localtune.export.unpack.said import GgufMetadata

SLIDING, FULL = "sliding_attention", "full_attention"


def _scale(said: GgufMetadata, config: Config) -> int:
    """Return what Gemma divides queries by the root of: the largest model's isn't its heads'."""
    if config["num_hidden_layers"] == LARGEST[said.arch]:
        return int(config["hidden_size"] // config["num_attention_heads"])
    return head_width(config)


def _every(said: GgufMetadata, config: Config) -> list[str]:
    every = FULL_EVERY[said.arch]
    return [FULL if (i + 1) % every == 0 else SLIDING for i in range(config["num_hidden_layers"])]


def gemma2(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    caps = {
        name: None if cap >= UNCAPPED else cap
        for name, usual in (("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0))
        for cap in [said.real(name, usual)]
    }
    return "gemma2", {
        **caps,
        "rope_parameters": rope_parameters(said, config),
        "sliding_window": int(said.get("attention.sliding_window", 4096)),
        "query_pre_attn_scalar": _scale(said, config),
        "layer_types": _every(said, config),
    }


def gemma3(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    window, layers = said.get("attention.sliding_window"), config["num_hidden_layers"]
    theta = said.real("rope.freq_base_swa", THETA)
    return "gemma3_text", {
        "rope_parameters": by_kind(rope_parameters(said, config), theta),
        "final_logit_softcapping": said.real("final_logit_softcapping"),
        "sliding_window": window,
        **({} if window else {"sliding_window_pattern": 1}),
        "query_pre_attn_scalar": _scale(said, config),
        "layer_types": _every(said, config) if window else [FULL] * layers,
    }


def gemma4(said: GgufMetadata, config: Config) -> tuple[str, Config]:
    sliding = said.needed("attention.sliding_window_pattern")
    heads = _listed(config["num_key_value_heads"], len(sliding))
    widths = _listed(config["intermediate_size"], len(sliding))
    few = next((n for n, slides in zip(heads, sliding, strict=True) if slides), heads[0])
    wide = next((n for n, slides in zip(heads, sliding, strict=True) if not slides), few)
    theta = said.real("rope.freq_base_swa", THETA)
    full = {"rope_type": "default", "rope_theta": said.real("rope.freq_base", THETA)}
    share = proportional(said) if "rope_freqs.weight" in said.tensors else {}
    inputs = int(said.get("embedding_length_per_layer_input", 0))
    per_layer = said.tensors.get("per_layer_token_embd.weight")
    return "gemma4_text", {
        "num_key_value_heads": few,
        "num_global_key_value_heads": None if wide == few else wide,
        "attention_k_eq_v": wide != few,
        "intermediate_size": min(widths),
        "use_double_wide_mlp": len(set(widths)) > 1,
        "head_dim": int(said.needed("attention.key_length_swa")),
        "global_head_dim": int(said.needed("attention.key_length")),
        "rope_parameters": by_kind({**full, **share}, theta),
        "final_logit_softcapping": said.real("final_logit_softcapping"),
        "sliding_window": int(said.get("attention.sliding_window", 512)),
        "layer_types": [SLIDING if slides else FULL for slides in sliding],
        "num_kv_shared_layers": int(said.get("attention.shared_kv_layers", 0)),
        "hidden_size_per_layer_input": inputs,
        "vocab_size_per_layer_input": per_layer[0] if per_layer else config["vocab_size"],
        "enable_moe_block": False,
    }


def _listed(value: Any, count: int) -> list[int]:
    return list(value) if isinstance(value, list) else [int(value)] * count
