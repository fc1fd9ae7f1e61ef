"""A GGUF -> a folder that transformers loads: config.json, model.safetensors, a tokenizer.

Weights have the values that llama.cpp computes with, those of a quantized tensor rounded to BF16;
F32, BF16 and F16 stay what they are. Memory is that of a few blocks of rows.
Everything that can be known from the header is checked before anything is written.
"""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np

from localtune.errors import BaseModelError, ExportError
from localtune.export.families.family import Family
from localtune.export.read.config_json import Config
from localtune.export.unpack.configuration import READERS, configuration
from localtune.export.unpack.gguf_source import AGAIN, SOURCE, GgufSource
from localtune.export.unpack.said import GgufMetadata
from localtune.export.unpack.tokenizer import check_tokenizer, special_ids, write_tokenizer
from localtune.export.unpack.weights import BESIDE, FACTORS, Unpacked
from localtune.export.write.blocks import BLOCK
from localtune.export.write.mapping import complete, metadata, tensor_map
from localtune.export.write.safetensors_file import Piece, Raw, narrow, write_safetensors
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path

KINDS = {"adapter": "a LoRA adapter", "mmproj": "a projector", "imatrix": "an importance matrix"}
HARMLESS = {"vocab_size", "rope.scaling.finetuned", "expert_shared_count", "attention.causal"}


def unpack(gguf: Path, folder: Path, progress: Progress = Silent()) -> None:
    """Write the folder of a GGUF that can be tuned, whole or not at all.

    Raises BaseModelError for a file that is damaged, no language model, of an architecture that
    isn't declared, or stored in a way that can't be undone; DiskFullError.
    """
    source = GgufSource(gguf)
    family, config, weights = read(source)
    for said in _unsaid(source, family, config):
        progress.warn(f"{gguf.name} says {said}, which training doesn't know of.")
    if left := [name for name in source.tensors if name.startswith(BESIDE)]:
        progress.warn(f"{gguf.name} also sees or hears: {len(left)} tensors for it are left away.")
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (temporary / "config.json").write_text(text, encoding="utf-8")
        write_tokenizer(source, temporary)
        _write_weights(weights, temporary / "model.safetensors", progress)
        (temporary / SOURCE).symlink_to(gguf.resolve())


def read(source: GgufSource) -> tuple[Family, Config, Unpacked]:
    """Return what a GGUF is, checked: exported again, it would have the same tensors."""
    arch = check_kind(source)
    check_tokenizer(source)
    said = GgufMetadata(source, arch)
    family, config = configuration(said)
    config |= special_ids(source)
    whole = complete(config, family, config["vocab_size"])
    weights = Unpacked(source, family, whole)
    try:
        planned = tensor_map(family, whole, weights)
    except ExportError as error:
        raise BaseModelError(f"{source.file.name}: {error.message}", error.hint) from error
    shapes = {tensor.name: tensor.shape for tensor in planned}
    for name, stored in source.tensors.items():
        if name not in FACTORS and not name.startswith(BESIDE) and shapes.get(name) != stored.shape:
            raise BaseModelError(
                f"{source.file.name}: {name} is {stored.shape}, not {shapes.get(name)}.",
                "The file is damaged, or was made by another tool; fetch it again.",
            )
    return family, config, weights


def check_kind(source: GgufSource) -> str:
    """Return the architecture of a whole language model; raise BaseModelError for all else."""
    name, arch = source.file.name, source.get("general.architecture", "")
    kind = source.get("general.type", "model")
    if arch == "clip" or kind in KINDS:
        raise BaseModelError(
            f"{name} is {KINDS.get(kind, 'a projector')}, not a model.", "Give the model's GGUF."
        )
    if int(source.get("split.count", 0)) > 1:
        raise BaseModelError(
            f"{name} is one of {source.get('split.count')} files of a split model.",
            "Join them with llama.cpp's `llama-gguf-split --merge FIRST OUT`.",
        )
    if not source.tensors:
        raise BaseModelError(f"{name} holds a vocabulary only.", "Give the model's GGUF.")
    if arch not in READERS:
        raise BaseModelError(
            f"{name} is of the architecture {arch or 'none'}, which can't be tuned as a GGUF.",
            f"Choose a base of one of these: {', '.join(sorted(READERS))}.",
        )
    return str(arch)


def _unsaid(source: GgufSource, family: Family, config: Config) -> list[str]:
    """Return, in words, what the file says and config.json doesn't, or says otherwise."""
    wanted, found = metadata(family, complete(config, family, config["vocab_size"])), []
    for key in source.entries:
        arch, _, name = key.partition(".")
        if arch != family.arch or name in HARMLESS or name.startswith("vision."):
            continue
        value = source.get(key)
        if name not in wanted or not _alike(wanted[name], value):
            found.append(f"{key} = {str(value)[:60]}")
    return found


def _alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-6 * abs(one)
    if isinstance(one, list) != isinstance(other, list):  # one number for every layer
        ones, others = (x if isinstance(x, list) else [x] for x in (one, other))
        return set(ones) == set(others)
    return one == other


def _write_weights(weights: Unpacked, file: Path, progress: Progress) -> None:
    sizes = {weights.full_name(n): (weights.kind(n), weights.shape(n)) for n in weights.names()}
    pieces = [piece for name in weights.names() for piece in _pieces(weights, name)]
    write_safetensors(file, sizes, pieces, progress, "unpack")


def _pieces(weights: Unpacked, name: str) -> list[Piece]:
    """Cut a weight into blocks of rows."""

    def read(rows: slice) -> Raw:
        made = weights.rows(name, rows)
        if not np.isfinite(made).all():
            raise BaseModelError(f"The weights of {name} are no numbers.", AGAIN)
        return narrow(made, weights.kind(name))

    full, (count, *others) = weights.full_name(name), weights.shape(name)
    step = count if weights.is_whole(name) else max(1, BLOCK // math.prod(others))
    return [
        Piece(full, first, partial(read, slice(first, min(first + step, count))))
        for first in range(0, count, step)
    ]
