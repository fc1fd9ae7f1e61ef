"""Gemma 2 and 3 (text). See the package's first lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from localtune.export.config_json import Config
from localtune.export.families.rows import ATTENTION, COMMON, HEAD_NORMS, MLP, SANDWICH
from localtune.export.family import Family
from localtune.export.rope import LOCAL_THETA

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
    dropped=("lm_head", "vision_tower", "multi_modal_projector"),
    extra=_gemma3,
    tokenizer="gemma",
)
