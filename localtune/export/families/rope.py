"""Rotary position embedding: what config.json says about it -> GGUF metadata and factor tensors.

Source: TextModel.set_gguf_parameters (conversion/base.py), LlamaModel.generate_extra_tensors
(conversion/llama.py) and Phi3MiniModel (conversion/phi.py) of llama.cpp, as vendored in the sdist
of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError, UnsupportedError
from localtune.export.read.config_json import Config, head_width

Rope = dict[str, Any]
KNOWN = ("default", "linear", "llama3", "yarn", "longrope", "su", "proportional")
YARN = {  # GGUF key -> the names that config.json may use, the first that is there counts
    "yarn_ext_factor": ("extrapolation_factor",),
    "yarn_attn_factor": ("attention_factor", "attn_factor"),
    "yarn_beta_fast": ("beta_fast",),
    "yarn_beta_slow": ("beta_slow",),
}
FIRST = "original_max_position_embeddings"
STRETCHED = ("llama3", "yarn", "longrope", "su")
LOCAL_THETA = "rope_local_base_freq"  # transformers 4's name for the sliding layers' theta


def rope_of(config: Config) -> Rope:
    """Return the rotary parameters of the layers with full attention.

    transformers 5 writes rope_parameters, versions before rope_theta and rope_scaling beside each
    other. Raises ExportError for a stretching that llama.cpp's converter doesn't know.
    """
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found: Rope = dict(given.get("full_attention") or given)
    found.setdefault("rope_type", found.get("type", "default"))
    for key in ("rope_theta", "partial_rotary_factor"):
        if config.get(key) is not None:
            found.setdefault(key, config[key])
    _add_first_context(found, config)
    if found["rope_type"] not in KNOWN:
        raise UnsupportedError(
            f"The base stretches its context by {found['rope_type']!r}, which can't be written "
            "as GGUF.",
            f"Choose a base whose rope_type is one of {', '.join(KNOWN)}.",
        )
    return found


def _add_first_context(found: Rope, config: Config) -> None:
    """Say how long the context was before it was stretched, as transformers takes it.

    What stands beside rope_scaling counts first, then what stands in it, then the context itself.
    Source: RotaryEmbeddingConfigMixin.standardize_rope_params of transformers 5.23.
    """
    said = config.get(FIRST)
    if said is not None:
        found[FIRST] = said
    elif found["rope_type"] in STRETCHED and config.get("max_position_embeddings") is not None:
        found.setdefault(FIRST, config["max_position_embeddings"])


def sliding_theta(config: Config) -> float | None:
    """Return the theta of the layers with sliding attention, None where it is that of all."""
    sliding = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
    found = sliding.get("rope_theta", config.get(LOCAL_THETA))
    return None if found is None else float(found)


def rope_metadata(config: Config) -> dict[str, Any]:
    """Return {key behind "ARCH.rope.": value}."""
    given = rope_of(config)
    found: dict[str, Any] = {}
    if given.get("rope_theta") is not None:
        found["freq_base"] = float(given["rope_theta"])
    if (local := sliding_theta(config)) is not None:
        found["freq_base_swa"] = local
    kind, factor = given["rope_type"], given.get("factor")
    if kind in ("longrope", "su"):
        found["scaling.type"] = "longrope"
    elif kind in ("linear", "yarn") and factor is not None:
        found |= {"scaling.type": kind, "scaling.factor": float(factor)}
        if kind == "yarn":
            found |= _yarn(given)
    return found


def _yarn(given: Rope) -> dict[str, Any]:
    found: dict[str, Any] = {"scaling.original_context_length": int(given[FIRST])}
    for key, names in YARN.items():
        values = [given[name] for name in names if given.get(name) is not None]
        if values:
            found[f"scaling.{key}"] = float(values[0])
    return found


def llama3_factors(config: Config) -> dict[str, npt.NDArray[np.float32]]:
    """Return Llama 3's rotary factors, {"rope_freqs.weight": (head width / 2,)}, or nothing."""
    given = rope_of(config)
    if given["rope_type"] != "llama3":
        return {}
    import torch  # its float32 powers, so that the last bit is the script's too

    width, theta = head_width(config), given["rope_theta"]
    powers = torch.arange(0, width, 2, dtype=torch.float32) / width
    factors = [_llama3_factor(frequency, given) for frequency in 1.0 / (theta**powers)]
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}


def _llama3_factor(frequency: Any, given: Rope) -> Any:
    """Return by how much one frequency is slowed."""
    low, high = given.get("low_freq_factor", 1.0), given.get("high_freq_factor", 4.0)
    factor, wavelength = given.get("factor", 8.0), 2 * math.pi / frequency
    trained = given.get(FIRST, 8192)
    if wavelength < trained / high:
        return 1.0
    if wavelength > trained / low:
        return factor
    smooth = (trained / wavelength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)


def partial_width(config: Config) -> int:
    """Return how many of a head's dimensions are rotated, as Phi-3 and Phi-4 count them."""
    share = rope_of(config).get("partial_rotary_factor", 1.0)
    return int(share * config["hidden_size"]) // int(config["num_attention_heads"])


def long_factors(config: Config) -> dict[str, npt.NDArray[np.float32]]:
    """Return Phi-3's factors for long and short contexts, (rotated width / 2,) each, or nothing."""
    given = rope_of(config)
    if not given.get("long_factor"):
        return {}
    factors = {name: given.get(f"{name}_factor") or [] for name in ("long", "short")}
    if {len(values) for values in factors.values()} != {partial_width(config) // 2}:
        raise ExportError(
            f"rope_scaling in config.json needs {partial_width(config) // 2} long and short "
            f"factors, and has {len(factors['long'])} and {len(factors['short'])}.",
            "config.json and the weights belong to different models; fetch the base again.",
        )
    return {
        f"rope_factors_{name}.weight": np.array(values, dtype=np.float32)
        for name, values in factors.items()
    }


def long_attention_factor(config: Config) -> float | None:
    """Return by how much Phi-3 scales attention beyond its first context, None without factors."""
    given = rope_of(config)
    if not given.get("long_factor"):
        return None
    first = given[FIRST]
    scale = config["max_position_embeddings"] / first
    if scale <= 1.0:
        return 1.0
    # "su" and "yarn" are what Phi-3's first files called it, and transformers reads as longrope.
    return math.sqrt(1 + math.log(scale) / math.log(first))


def proportional_factors(config: Config, width: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return Gemma 4's factors, {"rope_freqs.weight": (width / 2,)}: what isn't rotated is 1e30.

    `width` is that of the heads with full attention. Source: Gemma4Model in conversion/gemma.py.
    """
    rotated = int(width * rope_of(config).get("partial_rotary_factor", 0.25) / 2)
    factors = [1.0] * rotated + [1e30] * (width // 2 - rotated)
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}
