"""A config.json -> how many parameters where; and a folder with a base of that shape, cut short.

Layers are alike, so what one costs is learned from a base of one or two. Weights that nobody has
downloaded are zeros in a file with holes: they take neither room nor time.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localtune.bases.catalogue import CatalogueEntry
from localtune.config.stages import TINY, BaseConfig
from localtune.errors import BaseModelError

Config = dict[str, Any]
PIECE = 1 << 21  # bytes of random weights, which are repeated
WORDS = (".json", ".jinja", ".model", ".txt")  # the endings of a tokenizer's files
TEXT = "text_config"  # where a model that also sees keeps its language model's shape


@dataclass(frozen=True)
class Shape:
    """Parameters of a base: of its embedding with its output, of the output alone, of a layer.

    `linear` are those of a layer that LoRA is laid upon, `widths` the sum of their rows and
    columns: LoRA of rank r has r times as many parameters. `rest` is the final norm.
    """

    hidden: int
    layers: int
    embedding: int
    output: int
    layer: int
    linear: int
    widths: int
    rest: int

    @property
    def parameters(self) -> int:
        """Return how many there are in all."""
        return self.embedding + self.layers * self.layer + self.rest

    def adapter(self, rank: int, layers: int) -> int:
        """Return the number of parameters of LoRA matrices of rank `rank` on `layers` layers."""
        return rank * self.widths * layers

    def step_flops(self, tokens: int, answers: int, rank: int, layers: int) -> float:
        """Return the operations of a training step: forward, and backward without base gradients.

        `layers` are trained, the inputs of the first of them kept. 2 a parameter and token forward,
        2 backward, and 2 more for LoRA's own gradients; the output is applied to answer tokens
        only. Attention over 256 tokens is under 5 % and left out.
        """
        lora = rank * self.widths
        body = layers * (4.0 * self.linear + 6.0 * lora) * tokens
        return body + 4.0 * self.output * answers


def shape_of(config: Config) -> Shape:
    """Count a shape's parameters on no device at all. Raises BaseModelError."""
    one, two = (_empty_model(cut(config, n)) for n in (1, 2))
    layer = _count(two) - _count(one)
    linear, widths = _linear_layers(one)
    embedding = one.get_input_embeddings().weight
    output = one.get_output_embeddings().weight
    text = config.get(TEXT, config)
    both = embedding.numel() + (0 if output is embedding else output.numel())
    return Shape(
        hidden=int(text["hidden_size"]),
        layers=int(text["num_hidden_layers"]),
        embedding=both,
        output=output.numel(),
        layer=layer,
        linear=linear,
        widths=widths,
        rest=_count(one) - layer - both,
    )


def cut(config: Config, layers: int) -> Config:
    """Return a config.json with fewer layers; lists with an entry a layer are cut too."""
    if TEXT in config:
        return {**config, TEXT: cut(config[TEXT], layers)}
    whole = config["num_hidden_layers"]
    kept = {
        key: value[:layers] if isinstance(value, list) and len(value) == whole else value
        for key, value in config.items()
    }
    return {**kept, "num_hidden_layers": layers}


def write_base(
    config: Config, layers: int, folder: Path, real: Path | None = None, filled: bool = False
) -> Path:
    """Write a base of a shape that transformers loads, and return its folder.

    With a `real` base its own weights are linked, of which only the first layers are read. Else
    they are zeros, or random where `filled`, and the tokenizer is the built-in base's.
    """
    folder.mkdir(parents=True)
    short = cut(config, layers)
    source = real or BaseConfig(TINY).folder()
    assert source
    for file in source.iterdir():
        if real and file.name.endswith((".safetensors", ".safetensors.index.json")):
            (folder / file.name).symlink_to(file.resolve())
        elif file.suffix in WORDS and file.name != "config.json" and "index" not in file.name:
            shutil.copyfile(file, folder / file.name)
    (folder / "config.json").write_text(json.dumps(_named(short)), encoding="utf-8")
    if not real:
        _write_weights(_empty_model(short), folder / "model.safetensors", filled)
    return folder


def _named(config: Config) -> Config:
    """Add what a catalogue's config leaves to transformers: the class, and where answers end."""
    made = _configuration(config).to_dict()
    classes = [type(_empty_model(config)).__name__]
    return {**made, "architectures": classes, "eos_token_id": 2, "bos_token_id": None} | config


def _configuration(config: Config) -> Any:
    from transformers import AutoConfig

    known = {key: value for key, value in config.items() if key != "model_type"}
    try:
        return AutoConfig.for_model(config["model_type"], **known)
    except (KeyError, ValueError, TypeError) as error:
        raise BaseModelError(
            f"transformers doesn't know a base of this shape: {str(error).splitlines()[0]}",
            "Choose another --base.",
        ) from error


def _empty_model(config: Config) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(_configuration(config))


def _count(model: Any) -> int:
    return sum(weight.numel() for weight in model.parameters())


def _linear_layers(model: Any) -> tuple[int, int]:
    """Return parameters and widths of the linear layers of a model, but for its output."""
    output = model.get_output_embeddings()
    shapes = [
        module.weight.shape
        for module in model.modules()
        if type(module).__name__ in ("Linear", "Conv1D") and module is not output
    ]
    return sum(map(math.prod, shapes)), sum(map(sum, shapes))


def _write_weights(model: Any, file: Path, filled: bool) -> None:
    """Write a safetensors file in BF16: random weights, or a header and a hole that takes no room.

    Source: the format of safetensors, 8 bytes of length, JSON, data.
    """
    header, offset = dict[str, Any](), 0
    for name, weight in model.named_parameters():  # tied ones come once
        end = offset + 2 * weight.numel()
        header[name] = {"dtype": "BF16", "shape": list(weight.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, offset if filled else 0, PIECE):
            out.write(_random_bf16()[: offset - start])
        out.truncate(8 + len(text) + offset)


@cache
def _random_bf16() -> bytes:
    import numpy as np

    values = np.random.default_rng(7).normal(0, 0.02, PIECE // 2).astype(np.float32)
    return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()


@dataclass(frozen=True)
class Base:
    """A base's config.json, and the folder it lies in where transformers can load it already.

    `here` says that nothing must be fetched; `entry` is None where the catalogue doesn't know it.
    """

    id: str
    config: dict[str, Any]
    folder: Path | None
    here: bool
    entry: CatalogueEntry | None
