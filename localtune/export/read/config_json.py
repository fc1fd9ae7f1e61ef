"""A base's config.json as one flat set of names, whichever version of transformers wrote it.

GPT-2's own names become the usual ones, text models inside others (text_config) come to the top,
and what a file leaves out is what transformers' configuration classes assume (families.py).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from localtune.errors import ExportError

Config = dict[str, Any]
# Names that some families have for the same thing; the first that a file holds counts.
ALIASES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings",
    "n_ctx": "max_position_embeddings",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps",
    "norm_epsilon": "layer_norm_eps",
    "num_experts": "num_local_experts",
}
NEEDED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
WHOLE = (  # numbers from 1 on, if they are there
    *NEEDED,
    *("num_key_value_heads", "intermediate_size", "max_position_embeddings", "num_local_experts"),
    *("num_experts_per_tok", "moe_intermediate_size"),
)
FROM_0 = ("head_dim", "sliding_window")  # where 0 stands for "none"
REAL = ("rms_norm_eps", "layer_norm_eps", "rope_theta", "rope_local_base_freq")
KINDS = {
    **dict.fromkeys(("text_config", "rope_parameters", "rope_scaling"), dict),
    **dict.fromkeys(("architectures", "layer_types", "no_rope_layers"), list),
}
LARGEST = 2**31 - 1  # which every reader of GGUF can hold


def read_json(file: Path, hint: str = "Fetch or save the model again.") -> dict[str, Any]:
    """Read one JSON object of a model's folder. Raises ExportError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{file} can't be read: {error}.", hint) from error
    if not isinstance(found, dict):
        raise ExportError(f"{file} holds no JSON object.", hint)
    return found


def read_config(folder: Path) -> Config:
    """Read config.json as it was written, with a text_config's values on top. Raises ExportError.

    Source of the merge: TextModel.__init__ in conversion/base.py of llama.cpp (llama-cpp-python
    0.3.36).
    """
    stored = read_json(folder / "config.json")
    _check_kinds(stored)
    inner = stored.get("text_config")
    found = {**stored, **inner} if inner else stored
    _check_kinds(found)
    return found


def _check_kinds(config: Config) -> None:
    """Raise ExportError for a value that is no object or list where transformers writes one."""
    for name, kind in KINDS.items():
        if not isinstance(config.get(name), kind | None):
            raise _odd(f"The base's config.json says {name} = {str(config[name])[:40]!r}")


def with_defaults(config: Config, defaults: Config) -> Config:
    """Return a configuration in the usual names, with a family's defaults where it says nothing.

    A default head_dim of 0 stands for the width divided by the heads, and where a file says null
    for num_key_value_heads that is all heads, whatever the default. Raises ExportError.
    """
    named = {key: value for key, value in config.items() if key not in ALIASES}
    for other, name in ALIASES.items():
        if named.get(name) is None and config.get(other) is not None:
            named[name] = config[other]
    for key, value in defaults.items():
        if named.get(key) is None and not (key == "num_key_value_heads" and key in named):
            named[key] = value
    missing = [name for name in NEEDED if named.get(name) is None]
    if missing:
        raise _odd(f"The base's config.json doesn't say {', '.join(missing)}")
    if named.get("num_key_value_heads") is None and "num_key_value_heads" in defaults:
        named["num_key_value_heads"] = named["num_attention_heads"]
    _check_numbers(named)
    if named.get("head_dim") == 0:
        named["head_dim"] = named["hidden_size"] // named["num_attention_heads"]
    return named


def _check_numbers(config: Config) -> None:
    """Raise ExportError for a size or a constant that is none."""
    for name, value in config.items():
        if value is None:
            continue
        whole = isinstance(value, int) and not isinstance(value, bool) and value <= LARGEST
        if name in WHOLE and not (whole and value >= 1):
            raise _odd(f"The base's config.json says {name} = {value!r}")
        if name in FROM_0 and not (whole and value >= 0):
            raise _odd(f"The base's config.json says {name} = {value!r}")
        if name in REAL and not (isinstance(value, int | float) and math.isfinite(value)):
            raise _odd(f"The base's config.json says {name} = {value!r}")


def _odd(what: str) -> ExportError:
    return ExportError(f"{what}.", "Fetch or save the base again.")


def head_width(config: Config) -> int:
    """Return the width of one attention head."""
    given = config.get("head_dim")
    return int(given or config["hidden_size"] // config["num_attention_heads"])
