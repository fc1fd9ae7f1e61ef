"""The rows that several families share, and what transformers assumes for most of them."""

from __future__ import annotations

from localtune.export.read.config_json import Config

NORMS = {"input_layernorm": ("attn_norm", "d"), "post_attention_layernorm": ("ffn_norm", "d")}
ATTENTION = {
    "self_attn.q_proj": ("attn_q", "q d"),
    "self_attn.k_proj": ("attn_k", "k d"),
    "self_attn.v_proj": ("attn_v", "k d"),
    "self_attn.o_proj": ("attn_output", "d q"),
}
HEAD_NORMS = {"self_attn.q_norm": ("attn_q_norm", "h"), "self_attn.k_norm": ("attn_k_norm", "h")}
MLP = {
    "mlp.gate_proj": ("ffn_gate", "f d"),
    "mlp.up_proj": ("ffn_up", "f d"),
    "mlp.down_proj": ("ffn_down", "d f"),
}
SANDWICH = {  # norms before and behind attention and MLP
    "input_layernorm": ("attn_norm", "d"),
    "post_attention_layernorm": ("post_attention_norm", "d"),
    "pre_feedforward_layernorm": ("ffn_norm", "d"),
    "post_feedforward_layernorm": ("post_ffw_norm", "d"),
}
PER_HEAD = 0  # a head_dim that is the width divided by the heads
ALL_HEADS = None  # as many key-value heads as heads
COMMON: Config = {"num_key_value_heads": ALL_HEADS, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}
