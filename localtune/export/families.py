"""What of a model's architecture a GGUF must say, as data: metadata, tensor names, transforms.

Source: conversion/llama.py and conversion/base.py of llama.cpp, as vendored in the sdist of
llama-cpp-python 0.3.36. Knows nothing of tokenizers or of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError

Array = npt.NDArray[np.float32]
Config = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One architecture.

    `metadata`: GGUF key (behind "llama.") -> (config.json key, type). `tensors`: the name in
    safetensors without its ending -> the name in GGUF; "{}" stands for the layer's number.
    `permuted`: GGUF names whose rows are regrouped for ggml's rotary order -> the config key that
    counts their heads.
    """

    name: str
    metadata: dict[str, tuple[str, type]]
    tensors: dict[str, str]
    permuted: dict[str, str]


LLAMA = Family(
    name="llama",
    metadata={
        "block_count": ("num_hidden_layers", int),
        "context_length": ("max_position_embeddings", int),
        "embedding_length": ("hidden_size", int),
        "feed_forward_length": ("intermediate_size", int),
        "attention.head_count": ("num_attention_heads", int),
        "attention.head_count_kv": ("num_key_value_heads", int),
        "attention.key_length": ("head_dim", int),
        "attention.value_length": ("head_dim", int),
        "attention.layer_norm_rms_epsilon": ("rms_norm_eps", float),
        "vocab_size": ("vocab_size", int),
    },
    tensors={
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "model.layers.{}.input_layernorm": "blk.{}.attn_norm",
        "model.layers.{}.self_attn.q_proj": "blk.{}.attn_q",
        "model.layers.{}.self_attn.k_proj": "blk.{}.attn_k",
        "model.layers.{}.self_attn.v_proj": "blk.{}.attn_v",
        "model.layers.{}.self_attn.o_proj": "blk.{}.attn_output",
        "model.layers.{}.post_attention_layernorm": "blk.{}.ffn_norm",
        "model.layers.{}.mlp.gate_proj": "blk.{}.ffn_gate",
        "model.layers.{}.mlp.up_proj": "blk.{}.ffn_up",
        "model.layers.{}.mlp.down_proj": "blk.{}.ffn_down",
    },
    permuted={
        "blk.{}.attn_q": "num_attention_heads",
        "blk.{}.attn_k": "num_key_value_heads",
    },
)
FAMILIES = {"LlamaForCausalLM": LLAMA}
# Buffers that old checkpoints hold and no runtime reads.
UNUSED = (".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias")


def family_of(config: Config) -> Family:
    """Return the family of a base; raise ExportError for one that isn't declared here."""
    names = config.get("architectures") or ["none"]
    if names[0] in FAMILIES and not config.get("quantization_config"):
        return FAMILIES[names[0]]
    what = "an already quantized model" if names[0] in FAMILIES else f"the architecture {names[0]}"
    raise ExportError(
        f"The base is {what}, which can't be written as GGUF yet.",
        f"Choose a base of the architecture {' or '.join(FAMILIES)}; --base tiny is one.",
    )


def metadata(family: Family, config: Config) -> dict[str, Any]:
    """Return {GGUF key: value} for what config.json says about the architecture."""
    found = {
        f"{family.name}.{key}": kind(config[name])
        for key, (name, kind) in family.metadata.items()
        if config.get(name) is not None
    }
    return {
        **found,
        f"{family.name}.rope.dimension_count": head_width(config),
        **_rope_metadata(family, config),
    }


def head_width(config: Config) -> int:
    """Return the width of one attention head."""
    given = config.get("head_dim")
    return int(given or config["hidden_size"] // config["num_attention_heads"])


def gguf_name(family: Family, name: str) -> tuple[str, str]:
    """Return a tensor's GGUF name and its pattern ("blk.{}.attn_q").

    Raises ExportError for a tensor the family doesn't know.
    """
    stem, _, ending = name.rpartition(".")
    layer = next((part for part in stem.split(".") if part.isdecimal()), "")
    pattern = family.tensors.get(stem.replace(f".{layer}.", ".{}.", 1) if layer else stem)
    if pattern is None or ending not in ("weight", "bias"):
        raise ExportError(
            f"The base holds a tensor {name!r} that no {family.name} model has.",
            "Choose a base of the plain Llama architecture, without additions.",
        )
    return f"{pattern.format(layer)}.{ending}", pattern


def transform(family: Family, pattern: str, tensor: Array, config: Config) -> Array:
    """Return a tensor as ggml wants it: q and k with their rotary pairs side by side."""
    heads_key = family.permuted.get(pattern)
    if heads_key is None:
        return tensor
    heads = config.get(heads_key) or config["num_attention_heads"]
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)


def rope(config: Config) -> dict[str, Any]:
    """Return the rotary parameters, of transformers 5 (rope_parameters) or before."""
    given = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    given.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    given["rope_type"] = given.get("rope_type", given.get("type", "default"))
    return given


def _rope_metadata(family: Family, config: Config) -> dict[str, Any]:
    given, prefix = rope(config), f"{family.name}.rope."
    found: dict[str, Any] = {f"{prefix}freq_base": float(given["rope_theta"])}
    if given["rope_type"] == "linear":
        found[f"{prefix}scaling.type"] = "linear"
        found[f"{prefix}scaling.factor"] = float(given["factor"])
    elif given["rope_type"] not in ("default", "llama3"):
        raise ExportError(
            f"The base stretches its context by {given['rope_type']!r}, which can't be "
            "written as GGUF yet.",
            "Choose a base whose rope_type is default, linear or llama3.",
        )
    return found


def extra_tensors(config: Config) -> dict[str, Array]:
    """Return the tensors that only GGUF has: Llama 3's rotary factors, (head width / 2,)."""
    given = rope(config)
    if given["rope_type"] != "llama3":
        return {}
    import torch  # its float32 powers, so that the last bit is the script's too

    width, theta = head_width(config), given["rope_theta"]
    powers = torch.arange(0, width, 2, dtype=torch.float32) / width
    factors = [_llama3_factor(frequency, given) for frequency in 1.0 / (theta**powers)]
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}


def _llama3_factor(frequency: Any, given: dict[str, Any]) -> Any:
    """Return by how much one frequency is slowed, as conversion/llama.py computes it."""
    low, high = given.get("low_freq_factor", 1.0), given.get("high_freq_factor", 4.0)
    factor, wavelength = given.get("factor", 8.0), 2 * math.pi / frequency
    trained = given.get("original_max_position_embeddings", 8192)
    if wavelength < trained / high:
        return 1.0
    if wavelength > trained / low:
        return factor
    smooth = (trained / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
