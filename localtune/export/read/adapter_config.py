"""adapter_config.json of PEFT: which adapters are merged as W + scaling * B @ A, and which refused.

An allow-list: options and initialisations that are not named here, such as those of a later PEFT,
are refused by name rather than merged as plain LoRA. Source: peft/tuners/lora/config.py and
layer.py (0.21).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from localtune.errors import ExportError
from localtune.export.read.config_json import read_json

DEFAULT_ALPHA, DEFAULT_RANK = 8, 8  # peft/tuners/lora/config.py
# Initialisations that leave the base's weights alone. PiSSA, OLoRA, LoftQ, CorDA and LoRA-GA
# subtract the initial product from them (or quantize them), also when PEFT loads the adapter.
PLAIN_INITS = ("eva", "gaussian", "mica", "orthogonal")
MERGED = (
    *("peft_type", "r", "rank_pattern", "lora_alpha", "alpha_pattern"),
    *("use_rslora", "use_dora", "lora_bias", "init_lora_weights"),
)
# Options of training, and those whose whole effect is in the tensors' names and shapes.
WITHOUT_EFFECT = (
    *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "runtime_config", "lora_dropout", "bias", "modules_to_save"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
    *("loftq_config", "eva_config", "corda_config", "lora_ga_config"),  # of initialisations
    "fan_in_fan_out",  # PEFT sets it by the layer's class
    *("qalora_group_size", "megatron_core"),  # settings of use_qalora and megatron_config
)
HINT = "Train it with LoRA (or rsLoRA, DoRA) on linear layers, or merge it with PEFT."


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Return adapter_config.json with defaults for alpha and rank.

    Raises ExportError, which names the option, for an adapter that is more than a plain product.
    """
    config = read_json(folder / "adapter_config.json", "Train the adapter again.")
    if config.get("peft_type") != "LORA":
        raise cannot_merge(folder, f"an adapter of the type {config.get('peft_type')}")
    _check_init(folder, config.get("init_lora_weights"))
    for key, value in config.items():
        if value and key not in (*MERGED, *WITHOUT_EFFECT) and not _is_default(key, value):
            raise cannot_merge(folder, f"{key} = {str(value)[:80]}")
    config.setdefault("lora_alpha", DEFAULT_ALPHA)
    config.setdefault("r", DEFAULT_RANK)
    _check_numbers(folder, config, "lora_alpha", "alpha_pattern")
    _check_numbers(folder, config, "r", "rank_pattern")
    return config


def value_for(config: dict[str, Any], module: str, key: str, pattern_key: str) -> Any:
    """Return a module's alpha or rank: that of the first pattern that matches, else the common."""
    for pattern, value in (config.get(pattern_key) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return config[key]


def _check_init(folder: Path, init: Any) -> None:
    plain = isinstance(init, bool | None) or str(init).lower() in PLAIN_INITS
    if not plain:
        raise ExportError(
            f"The adapter {folder} was trained with init_lora_weights = {init!r}, which PEFT also "
            "applies to the base's weights: merged as plain LoRA it would be wrong.",
            "Save it as plain LoRA where it was trained, with save_pretrained(FOLDER, "
            "path_initial_model_for_weight_conversion=INITIAL_ADAPTER), or merge it there with "
            "merge_and_unload() and convert the merged model.",
        )


def _is_default(key: str, value: Any) -> bool:
    """Whether an option is one of the installed PEFT at its default, which changes nothing."""
    from peft import LoraConfig  # takes seconds, and is rarely needed

    field = LoraConfig.__dataclass_fields__.get(key)
    return field is not None and field.default == value


def _check_numbers(folder: Path, config: dict[str, Any], key: str, pattern_key: str) -> None:
    """Raise ExportError for an alpha or a rank that is not a number, or a pattern that is none."""
    patterns = config.get(pattern_key) or {}
    if not isinstance(patterns, dict):
        raise cannot_merge(folder, f"an invalid {pattern_key} ({str(patterns)[:80]})")
    numbers = [config[key], *patterns.values()]
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        raise cannot_merge(folder, f"an invalid {key} or {pattern_key} ({str(numbers)[:80]})")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise cannot_merge(folder, f"an invalid {pattern_key} ({error})") from error


def cannot_merge(folder: Path, what: str) -> ExportError:
    return ExportError(f"The adapter {folder} holds {what}, which can't be merged.", HINT)
