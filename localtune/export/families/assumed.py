"""What llama.cpp takes for granted of each family, and a config.json may say otherwise.

The GGUF is then what llama.cpp's own converter writes too, but its answers are others than those of
transformers. Source: src/models/*.cpp of llama.cpp, as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from localtune.export.families.rope import rope_of
from localtune.export.read.config_json import Config, head_width

SILU = {"hidden_act": ("silu", "swish")}
GELU = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu")
# Architecture -> config.json's key -> the values that llama.cpp computes with.
ASSUMED: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "llama": SILU,
    "granite": SILU,
    "olmo2": SILU,
    "phi3": SILU,
    "qwen35": SILU,
    "qwen2": {**SILU, "use_sliding_window": (False,)},
    "qwen3": {**SILU, "use_sliding_window": (False,), "attention_bias": (False,)},
    "qwen3moe": {
        **SILU,
        "use_sliding_window": (False,),
        "attention_bias": (False,),
        "norm_topk_prob": (True,),
    },
    "smollm3": {**SILU, "use_sliding_window": (False,)},
    "gemma2": {"hidden_activation": GELU},
    "gemma3": {"hidden_activation": GELU},
    "starcoder2": {"hidden_act": GELU, "use_bias": (True,)},
    "gpt2": {
        "activation_function": GELU,
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
    },
}
# What transformers assumes where config.json says nothing, if that is another thing.
UNSAID = {"qwen3moe": {"norm_topk_prob": False}}
WINDOWLESS = ("llama", "phi3", "starcoder2")  # sliding windows are left away
LARGEST = {"gemma2": 46, "gemma3": 62}  # the layers of the 27B models, scaled in another way
ROPE_EVERY = 4  # SmolLM 3 leaves every fourth layer without
# Which layers' attention sees the whole context.
FULL_EVERY = {"gemma2": 2, "gemma3": 6}
ORDINAL = {2: "second", 6: "sixth"}
YARN = {"beta_fast": 32, "beta_slow": 1, "truncate": True}


def differences(arch: str, config: Config) -> list[str]:
    """Return, in words, where llama.cpp will compute otherwise than config.json says."""
    found = []
    for key, values in ASSUMED.get(arch, {}).items():
        said = config.get(key, UNSAID.get(arch, {}).get(key))
        if said is not None and said not in values:
            found.append(f"{key} is {said!r}, llama.cpp's {arch} takes {values[0]!r}")
    if arch in LARGEST:
        found += _attention_scale(arch, config) + _sliding_layers(arch, config)
    found += _stretching(config)
    window = config.get("sliding_window")
    if arch in WINDOWLESS and window and window < config["max_position_embeddings"]:
        found.append(f"sliding_window is {window}, llama.cpp's {arch} sees the whole context")
    layers = config.get("no_rope_layers")
    if arch == "smollm3" and not layers and config.get("no_rope_layer_interval", 4) != ROPE_EVERY:
        found.append("no_rope_layer_interval isn't 4, as llama.cpp takes it")
    if arch == "smollm3" and layers:
        usual = [int((i + 1) % ROPE_EVERY != 0) for i in range(len(layers))]
        if [int(layer) for layer in layers] != usual:
            found.append("no_rope_layers isn't every fourth layer, as llama.cpp takes it")
    return found


def _attention_scale(arch: str, config: Config) -> list[str]:
    largest = config["num_hidden_layers"] == LARGEST[arch]
    heads = config["hidden_size"] // config["num_attention_heads"]
    width, said = heads if largest else head_width(config), config.get("query_pre_attn_scalar", 256)
    if said == width:
        return []
    return [f"query_pre_attn_scalar is {said}, llama.cpp's {arch} takes {width}"]


def _sliding_layers(arch: str, config: Config) -> list[str]:
    every = config.get("sliding_window_pattern") or FULL_EVERY[arch]
    if every == 1:  # no window is written then
        return []
    layers = range(1, config["num_hidden_layers"] + 1)
    kinds = ("sliding_attention", "full_attention")
    said = config.get("layer_types") or [kinds[layer % every == 0] for layer in layers]
    if said == [kinds[layer % FULL_EVERY[arch] == 0] for layer in layers]:
        return []
    usual = ORDINAL[FULL_EVERY[arch]]
    return [f"full attention isn't in every {usual} layer, as llama.cpp takes it"]


def _stretching(config: Config) -> list[str]:
    """Return what llama.cpp's own YaRN and LongRoPE don't ask the file for."""
    given = rope_of(config) if config.get("rope_parameters") or config.get("rope_scaling") else {}
    kind, said = given.get("rope_type"), given.get("attention_factor")
    if kind in ("longrope", "su") and (said is not None or given.get("factor") is not None):
        return ["rope_scaling's factors of attention are given, llama.cpp takes them from lengths"]
    if kind != "yarn" or not given.get("factor"):
        return []
    found = [
        f"rope_scaling's {key} is {given[key]!r}, llama.cpp takes {value!r}"
        for key, value in YARN.items()
        if given.get(key) not in (None, value)
    ]
    one, all_ = given.get("mscale"), given.get("mscale_all_dim")
    if said is None and one and all_:
        said = _mscale(given["factor"], one) / _mscale(given["factor"], all_)
    usual = _mscale(given["factor"], 1.0)
    if said is not None and abs(said - usual) > 1e-3:
        found.append(f"rope_scaling scales attention by {said:.3f}, llama.cpp by {usual:.3f}")
    return found


def _mscale(factor: float, scale: float) -> float:
    return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0
