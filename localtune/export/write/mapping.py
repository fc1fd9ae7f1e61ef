"""A base's weights and config.json -> which GGUF tensors and metadata are written, checked.

Nothing is read here but headers, so that what doesn't fit is refused before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from localtune.errors import ExportError, UnsupportedError
from localtune.export.families import FAMILIES, linear_attention
from localtune.export.families.family import Family
from localtune.export.families.loadable import check_loadable
from localtune.export.families.rope import rope_metadata
from localtune.export.read.config_json import Config, head_width, with_defaults
from localtune.export.write.parts import Part, Weights, Written

NUMBER = re.compile(r"(?<=\.)(?:0|[1-9]\d*)(?=\.)")
TERM = re.compile(r"(\d*)([a-zA-Z])")
# GGUF key -> (config.json's name, type), for every family that has it.
KEYS: dict[str, tuple[str, type]] = {
    "block_count": ("num_hidden_layers", int),
    "context_length": ("max_position_embeddings", int),
    "embedding_length": ("hidden_size", int),
    "feed_forward_length": ("intermediate_size", int),
    "attention.head_count": ("num_attention_heads", int),
    "attention.head_count_kv": ("num_key_value_heads", int),
    "attention.key_length": ("head_dim", int),
    "attention.value_length": ("head_dim", int),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps", float),
    "attention.layer_norm_epsilon": ("layer_norm_eps", float),
    "expert_count": ("num_local_experts", int),
    "expert_used_count": ("num_experts_per_tok", int),
}
# These stay float32 whatever the type of the file, as do vectors.
ALWAYS_FLOAT = ("ffn_gate_inp", "position_embd", "ssm_conv1d")


def family_of(config: Config) -> Family:
    """Return the family of a base; raise ExportError for one that isn't declared."""
    names = config.get("architectures") or ["none"]
    if names[0] in FAMILIES and not config.get("quantization_config"):
        return FAMILIES[names[0]]
    what = "an already quantized model" if names[0] in FAMILIES else f"the architecture {names[0]}"
    raise UnsupportedError(
        f"The base is {what}, which localtune's own converter doesn't write.",
        "Use `localtune convert --converter llama.cpp`, or choose a base of another family: "
        f"{', '.join(sorted({family.arch for family in FAMILIES.values()}))}.",
    )


def complete(config: Config, family: Family, tokens: int) -> Config:
    """Return a configuration with the family's defaults, and the tokenizer's size as "tokens"."""
    nulls = {key: value for key, value in family.nulls.items() if config.get(key, value) is None}
    found = {**with_defaults(config, family.defaults), **nulls, "tokens": tokens}
    if family.arch == "gpt2" and found.get("intermediate_size") is None:
        found["intermediate_size"] = 4 * found["hidden_size"]
    return found


def metadata(family: Family, config: Config) -> dict[str, Any]:
    """Return {key behind "ARCH.": value} for what config.json says about the architecture."""
    found = {
        key: kind(config[name])
        for key, (name, kind) in KEYS.items()
        if config.get(name) is not None
    }
    if config.get("rope_theta") is not None or config.get("rope_parameters"):
        found |= {f"rope.{key}": value for key, value in rope_metadata(config).items()}
    found = {key: value for key, value in found.items() if key not in family.without}
    return {**found, **family.extra(config)}


def dimensions(config: Config) -> dict[str, int]:
    """Return the sizes that the letters of the families' shapes stand for."""
    heads, width = int(config["num_attention_heads"]), head_width(config)
    keys = int(config.get("num_key_value_heads") or heads)
    sizes = {
        "d": config["hidden_size"],
        "f": config.get("intermediate_size"),
        "v": config["vocab_size"],
        "p": config.get("max_position_embeddings"),
        "h": width,
        "q": heads * width,
        "k": keys * width,
        "e": config.get("num_local_experts"),
        "x": config.get("moe_intermediate_size"),
        "i": config.get("hidden_size_per_layer_input"),
    }
    if "linear_num_value_heads" in config:
        sizes |= linear_attention.dimensions(config)
    return {letter: int(size) for letter, size in sizes.items() if size is not None}


def tensor_map(family: Family, config: Config, merged: Weights) -> list[Written]:
    """Return the tensors that are written, in the order of the files.

    Raises ExportError for a weight that the family doesn't have or lacks, and for a shape that
    config.json contradicts.
    """
    sizes, found, experts = dimensions(config), list[Written](), dict[str, list[str]]()
    check_loadable(family, config, merged.names(), merged.has_own_head())
    for name in merged.names():
        if name.startswith(family.dropped):
            continue
        pattern, layer, expert = _row_of(family, name)
        _check_layer(name, layer, config)
        _check_shape(family, pattern, name, merged, sizes)
        if expert is not None:
            experts.setdefault(f"{layer} {pattern}", []).append(name)
            continue
        found.append(_written(family, config, pattern, layer, [name], merged))
    for key, names in experts.items():
        number, _, pattern = key.partition(" ")
        ordered = sorted(names, key=_expert)
        _check_experts(ordered, sizes["e"])
        found.append(_written(family, config, pattern, int(number), ordered, merged))
    _check_complete(family, config, merged)
    return found


def _row_of(family: Family, name: str) -> tuple[str, int | None, int | None]:
    """Return a weight's row in the family's tables, its layer and its expert."""
    stem = name.rpartition(".")[0] if name.endswith((".weight", ".bias")) else name
    if stem in family.outer:
        return stem, None, None
    numbers = [int(n) for n in NUMBER.findall(f".{stem}.")]
    pattern = NUMBER.sub("{}", f".{stem}.").strip(".").removeprefix(f"{family.layers}.{{}}.")
    if not numbers or pattern not in family.layer or not stem.startswith(f"{family.layers}."):
        raise UnsupportedError(
            f"The base holds a tensor {name!r} that no {family.arch} model has.",
            "Use `localtune convert --converter llama.cpp`, or choose another base.",
        )
    return pattern, numbers[0], numbers[1] if len(numbers) > 1 else None


def _check_layer(name: str, layer: int | None, config: Config) -> None:
    if layer is not None and layer >= config["num_hidden_layers"]:
        raise ExportError(
            f"The base holds {name}, but config.json says {config['num_hidden_layers']} layers.",
            "config.json and the weights belong to different models; fetch the base again.",
        )


def _expert(name: str) -> int:
    return int(NUMBER.findall(name)[1])


def _check_experts(names: list[str], wanted: int) -> None:
    if [_expert(name) for name in names] != list(range(wanted)):
        raise ExportError(
            f"The base holds {len(names)} experts where config.json says {wanted}: {names[0]}.",
            "Fetch or save the base again.",
        )


def _check_shape(
    family: Family, pattern: str, name: str, merged: Weights, sizes: dict[str, int]
) -> None:
    """Raise ExportError where a weight's shape isn't what config.json says."""
    target, text = {**family.outer, **family.layer}[pattern]
    if not text:  # as wide as the layer's kind says
        return
    if unsaid := {letter for _, letter in TERM.findall(text)} - sizes.keys():
        raise ExportError(
            f"The base's config.json doesn't say how large {name} is ({', '.join(unsaid)}).",
            "Fetch or save the base again.",
        )
    wanted = tuple(_size(term, sizes) for term in text.split())
    got = merged.shape(name)
    if target == "ssm_conv1d":
        got = got[:1]
    elif name.endswith(".bias"):
        wanted = wanted[:1]
    elif target in family.transposed:
        got = got[::-1]
    if got != wanted:
        raise ExportError(
            f"The tensor {name!r} is {got}, but config.json asks for {wanted}.",
            "config.json and the weights belong to different models; fetch the base again.",
        )


def _size(term: str, sizes: dict[str, int]) -> int:
    """Return what a sum of letters such as "q+2k" comes to."""
    return sum(int(count or 1) * sizes[letter] for count, letter in TERM.findall(term))


def _check_complete(family: Family, config: Config, merged: Weights) -> None:
    """Raise ExportError where a layer, or something outside them, lacks a weight."""
    there = {name.removesuffix(".weight") for name in merged.names()}
    wanted = [name for name in family.outer if name not in family.optional]
    for layer in range(config["num_hidden_layers"]):
        for pattern in family.layer:
            if pattern not in family.optional and "{}" not in pattern:
                wanted.append(f"{family.layers}.{layer}.{pattern}")
    missing = [name for name in wanted if name not in there]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ExportError(
            f"The base's safetensors lack {missing[0]}{more}, which config.json asks for.",
            "A file is missing, or config.json belongs to another model; fetch the base again.",
        )


def _written(
    family: Family,
    config: Config,
    pattern: str,
    layer: int | None,
    names: list[str],
    merged: Weights,
) -> Written:
    target = {**family.outer, **family.layer}[pattern][0]
    stem = target if layer is None else f"blk.{layer}.{target}"
    bias = names[0].endswith(".bias") or target == "ssm_dt"
    ending = "" if target == "ssm_a" else ".bias" if bias else ".weight"
    turned = target in family.transposed and not bias
    shape = merged.shape(names[0])
    shape = shape[::-1] if turned else shape
    if target == "ssm_conv1d":
        shape = (shape[0], shape[-1])
    order = family.order[target](config) if target in family.order else None
    if order is not None:
        shape = (len(order), *shape[1:])
    return Written(
        name=stem + ending,
        shape=(len(names), *shape) if len(names) > 1 or "{}" in pattern else shape,
        parts=tuple(Part(name, order) for name in names),
        columns=family.columns[target](config) if target in family.columns else None,
        turned=turned,
        plus_one=target in family.plus_one,
        negative_exp=target in family.negative_exp,
        vector=len(shape) <= 1 or target.endswith("_norm") or target in ALWAYS_FLOAT or bias,
    )


def gguf_names(names: Iterable[str], config: Config) -> dict[str, str]:
    """Return {module of transformers: GGUF tensor} for the linear layers of a model.

    Modules that the family doesn't write are left out.
    """
    from localtune.export.read.merged import plain

    family, found = family_of(config), dict[str, str]()
    for name in names:
        try:
            pattern, layer, expert = _row_of(family, f"{plain(name, family.prefix)}.weight")
        except ExportError:
            continue
        target = {**family.outer, **family.layer}[pattern][0]
        if expert is None:
            found[name] = f"{target if layer is None else f'blk.{layer}.{target}'}.weight"
    return found
