"""What a GGUF says about rotary positions -> rope_parameters of config.json: rope.py inverted.

Source: rope.py, and load_hparams in src/llama-model.cpp of llama.cpp, as vendored in
llama-cpp-python 0.3.36, for what it takes where a file says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from localtune.errors import BaseModelError
from localtune.export.families.rope import FIRST, YARN, Rope, llama3_factors
from localtune.export.read.arrays import Array
from localtune.export.read.config_json import Config, head_width
from localtune.export.unpack.said import GgufMetadata

THETA = 10000.0
BANDS = ((1.0, 4.0), (1.0, 32.0), (1.0, 8.0))  # low and high, as models have them; the first usual
LENGTHS = tuple(1 << power for power in range(5, 21))  # first contexts, in tokens


def rope_parameters(said: GgufMetadata, config: Config) -> Rope:
    """Return the rotary parameters of the layers with full attention.

    Raises BaseModelError for factors that no rope_type of transformers makes.
    """
    found: Rope = {"rope_type": "default", "rope_theta": said.real("rope.freq_base", THETA)}
    kind = said.get("rope.scaling.type", "none")
    factor = said.real("rope.scaling.factor", 0.0) or said.real("rope.scale_linear", 0.0)
    if kind == "yarn":
        found |= {"rope_type": "yarn", "factor": factor or 1.0, **_yarn(said)}
    elif factor and kind in ("none", "linear") and factor != 1.0:
        found |= {"rope_type": "linear", "factor": factor}
    elif kind not in ("none", "linear", "longrope"):
        raise _unknown(said, f"stretches its context by {kind!r}")
    if "rope_freqs.weight" in said.tensors:
        found |= _llama3(said, {**config, "rope_parameters": found})
    return found


def _yarn(said: GgufMetadata) -> Rope:
    found: Rope = {FIRST: int(said.get("rope.scaling.original_context_length"))}
    for key, names in YARN.items():
        if (value := said.real(f"rope.scaling.{key}")) is not None:
            found[names[0]] = value
    return found


def _llama3(said: GgufMetadata, config: Config) -> Rope:
    """Return the parameters of Llama 3 that make the factors of the file."""
    factors = said.tensor("rope_freqs.weight").reshape(-1)
    if len(factors) != head_width(config) // 2:
        raise _unknown(said, f"has {len(factors)} rotary factors")
    if (factors == 1).all():
        return {}
    for low, high, first in _candidates(factors, config):
        tried = {
            "rope_type": "llama3",
            "factor": _short(float(factors.max())),
            "low_freq_factor": low,
            "high_freq_factor": high,
            FIRST: first,
        }
        made = llama3_factors({**config, "rope_parameters": {**config["rope_parameters"], **tried}})
        if np.allclose(made["rope_freqs.weight"], factors, rtol=1e-5):
            return tried
    raise _unknown(said, "slows rotary frequencies otherwise than Llama 3")


def _candidates(factors: Array, config: Config) -> Iterator[tuple[float, float, int]]:
    """Yield what low, high and the first context may be, as used, then as the factors say.

    Between its two bounds a frequency keeps the share (first / wavelength - low) / (high - low);
    two such frequencies give both unknowns, as only first / low and first / high count.
    """
    for low, high in BANDS:
        yield from ((low, high, first) for first in LENGTHS)
    most, width = float(factors.max()), 2 * len(factors)
    theta = config["rope_parameters"]["rope_theta"]
    turns = theta ** (-np.arange(0, width, 2) / width) / (2 * np.pi)
    between = (factors > 1) & (factors < most)
    if between.sum() >= 2:
        kept = (1 / factors[between] - 1 / most) / (1 - 1 / most)
        slope, offset = np.polyfit(turns[between], kept, 1)
        high = 1 - 1 / offset
        yield 1.0, round(float(high), 3), round(float(slope * (high - 1)))


def longrope(said: GgufMetadata) -> Rope:
    """Return Phi-3's two lists of factors; nothing where the file has none."""
    names = {name: f"rope_factors_{name}.weight" for name in ("long", "short")}
    if names["long"] not in said.tensors:
        return {}
    first = int(said.get("rope.scaling.original_context_length"))
    found: dict[str, Any] = {
        f"{name}_factor": [_short(float(value)) for value in said.tensor(tensor).reshape(-1)]
        for name, tensor in names.items()
    }
    return {"rope_type": "longrope", FIRST: first, **found}


def proportional(said: GgufMetadata) -> Rope:
    """Return Gemma 4's share of rotated dimensions; those that aren't have a factor of 1e30."""
    factors = said.tensor("rope_freqs.weight").reshape(-1)
    share = float((factors < 1e10).sum()) / len(factors)
    return {"rope_type": "proportional", "partial_rotary_factor": share}


def by_kind(full: Rope, theta: float) -> Rope:
    """Return the parameters of layers that see all and of those with a window, which aren't."""
    return {
        "full_attention": full,
        "sliding_attention": {"rope_type": "default", "rope_theta": theta},
    }


def _short(value: float) -> float:
    return float(str(np.float32(value)))


def _unknown(said: GgufMetadata, what: str) -> BaseModelError:
    return BaseModelError(
        f"{said.file.name} {what}, which transformers can't compute.", "Choose another base."
    )
