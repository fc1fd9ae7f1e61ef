"""Qwen3.5's layers of linear attention (gated delta net): names, orders and metadata.

Where there are more value heads than key heads, safetensors groups value heads by their key head;
ggml repeats the key heads as a whole, so the value heads are written in turns.
Source: _LinearAttentionVReorderBase and Qwen3NextModel in conversion/qwen.py of llama.cpp, as
vendored in the sdist of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.export.families.rope import rope_of
from localtune.export.read.config_json import Config, head_width

Index = npt.NDArray[np.intp]
LAYER = {
    "linear_attn.A_log": ("ssm_a", "V"),
    "linear_attn.conv1d": ("ssm_conv1d", "c"),
    "linear_attn.dt_bias": ("ssm_dt", "V"),
    "linear_attn.in_proj_a": ("ssm_alpha", "V d"),
    "linear_attn.in_proj_b": ("ssm_beta", "V d"),
    "linear_attn.in_proj_qkv": ("attn_qkv", "c d"),
    "linear_attn.in_proj_z": ("attn_gate", "z d"),
    "linear_attn.norm": ("ssm_norm", "w"),
    "linear_attn.out_proj": ("ssm_out", "d z"),
}
DEFAULTS = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "full_attention_interval": 4,
}
SECTIONS = [11, 11, 10, 0]  # of the rotated dimensions, for time, height, width and the rest


def _values(config: Config, width: int) -> Index:
    """Return the order of value heads, each `width` wide, in turns over the key heads."""
    keys, values = config["linear_num_key_heads"], config["linear_num_value_heads"]
    grouped = np.arange(values * width).reshape(keys, values // keys, width)
    return grouped.swapaxes(0, 1).ravel()


def _behind_keys(config: Config) -> Index:
    """Return the order of query, key and value rows: only the values move."""
    before = 2 * config["linear_num_key_heads"] * config["linear_key_head_dim"]
    values = _values(config, config["linear_value_head_dim"])
    return np.concatenate([np.arange(before), before + values])


def _wide(config: Config) -> Index:
    return _values(config, config["linear_value_head_dim"])


def _single(config: Config) -> Index:
    return _values(config, 1)


ORDER = {
    **dict.fromkeys(("ssm_a", "ssm_dt", "ssm_alpha", "ssm_beta"), _single),
    **dict.fromkeys(("ssm_conv1d", "attn_qkv"), _behind_keys),
    "attn_gate": _wide,
}
COLUMNS = {"ssm_out": _wide}


def dimensions(config: Config) -> dict[str, int]:
    """Return the letters of the shapes above."""
    values, width = config["linear_num_value_heads"], config["linear_value_head_dim"]
    keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
    return {"V": values, "w": width, "z": values * width, "c": 2 * keys + values * width}


def metadata(config: Config) -> dict[str, Any]:
    """Return {key: value} for Qwen3.5's linear and full attention."""
    found = {
        "ssm.conv_kernel": config["linear_conv_kernel_dim"],
        "ssm.state_size": config["linear_key_head_dim"],
        "ssm.group_count": config["linear_num_key_heads"],
        "ssm.time_step_rank": config["linear_num_value_heads"],
        "ssm.inner_size": config["linear_num_value_heads"] * config["linear_value_head_dim"],
        "full_attention_interval": config["full_attention_interval"],
        "rope.dimension_count": int(
            head_width(config) * rope_of(config).get("partial_rotary_factor", 0.25)
        ),
        "rope.dimension_sections": [*(rope_of(config).get("mrope_section") or SECTIONS), 0][:4],
    }
    if config.get("layer_types"):
        recurrent = [kind == "linear_attention" for kind in config["layer_types"]]
        found["attention.recurrent_layers"] = recurrent
    return found
