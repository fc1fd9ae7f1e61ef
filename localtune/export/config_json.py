"""A base's config.json as one flat set of names, whichever version of transformers wrote it.

GPT-2's own names become the usual ones, text models inside others (text_config) come to the top,
and what a file leaves out is what transformers' configuration classes assume (families.py).
"""

from __future__ import annotations

import json
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


def read_json(file: Path, hint: str = "Fetch or save the model again.") -> dict[str, Any]:
    """Read one JSON object of a model's folder. Raises ExportError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
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
    inner = stored.get("text_config")
    return {**stored, **inner} if isinstance(inner, dict) else stored


def with_defaults(config: Config, defaults: Config) -> Config:
    """Return a configuration in the usual names, with a family's defaults where it says nothing.

    A default head_dim of 0 stands for the width divided by the heads. Raises ExportError.
    """
    named = {key: value for key, value in config.items() if key not in ALIASES}
    for other, name in ALIASES.items():
        if named.get(name) is None and config.get(other) is not None:
            named[name] = config[other]
    for key, value in defaults.items():
        if named.get(key) is None:
            named[key] = value
    missing = [name for name in NEEDED if not isinstance(named.get(name), int)]
    if missing:
        raise ExportError(
            f"The base's config.json doesn't say {', '.join(missing)}.",
            "Fetch or save the base again.",
        )
    if named.get("num_key_value_heads") is None and "num_key_value_heads" in defaults:
        named["num_key_value_heads"] = named["num_attention_heads"]
    if named.get("head_dim") == 0:
        named["head_dim"] = named["hidden_size"] // named["num_attention_heads"]
    return named


def head_width(config: Config) -> int:
    """Return the width of one attention head."""
    given = config.get("head_dim")
    return int(given or config["hidden_size"] // config["num_attention_heads"])
