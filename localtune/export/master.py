"""Base and adapter -> the master: one BF16 GGUF. Knows nothing of build folders or of llama.cpp.

Each tensor is read, has its LoRA product added in float32, is written, and is forgotten, so the
memory needed is that of the largest tensor, whatever the model.
"""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_VERSION, GGMLQuantizationType, GGUFWriter, LlamaFileType, quants
from gguf.utility import size_label

from localtune.errors import ExportError
from localtune.export.adapter import Adapter
from localtune.export.families import (
    UNUSED,
    Array,
    Family,
    extra_tensors,
    family_of,
    gguf_name,
    metadata,
    transform,
)
from localtune.export.tensors import Tensors
from localtune.export.vocabulary import Vocabulary, read_vocabulary
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def export_master(
    base: Path, adapter: Path | None, master: Path, name: str, progress: Progress = Silent()
) -> None:
    """Write a base, with an adapter merged into it or without, as BF16 GGUF.

    `base` is a folder of transformers' format, `adapter` one of PEFT's. Matrices are BF16, vectors
    float32, as llama.cpp's convert_hf_to_gguf.py --outtype bf16 writes them. Raises ExportError.
    """
    config = _read_config(base / "config.json")
    family = family_of(config)
    lora = Adapter(adapter) if adapter else None
    with Tensors(base) as tensors, atomic_path(master) as temporary:
        sources = _sources(tensors, config)
        _check_modules(lora, sources)
        shapes = {name: tensors.shape(source) for name, source in sources.items()}
        config["vocab_size"] = shapes[EMBEDDING][0]
        with closing(GGUFWriter(temporary, family.name)) as writer:
            _add_general(writer, name, sum(map(math.prod, shapes.values())))
            _add_metadata(writer, metadata(family, config))
            _add_vocabulary(writer, read_vocabulary(base, adapter, config["vocab_size"]))
            _write_tensors(writer, family, config, tensors, sources, lora, progress)


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{file} can't be read: {error}.", "Fetch the base again.") from error
    return config


def _sources(tensors: Tensors, config: dict[str, Any]) -> dict[str, str]:
    """Return {tensor: the tensor of the files it is read from}, in the order of the files."""
    sources = {name: name for name in tensors.names() if not name.endswith(UNUSED)}
    if EMBEDDING not in sources and config.get("tie_word_embeddings") and HEAD in sources:
        sources[EMBEDDING] = sources.pop(HEAD)  # of two tied tensors some versions save the other
    if EMBEDDING not in sources:
        raise ExportError(
            "The base's safetensors hold no embedding.", "Fetch or save the base again."
        )
    return sources


def _check_modules(lora: Adapter | None, sources: dict[str, str]) -> None:
    known = {name.removesuffix(".weight") for name in sources}
    unknown = sorted(lora.modules - known) if lora else []
    if unknown:
        raise ExportError(
            f"The adapter changes {unknown[0]}, which the base doesn't have.",
            "The adapter was trained on another base; run the build again.",
        )


def _add_general(writer: GGUFWriter, name: str, parameters: int) -> None:
    writer.add_type("model")
    writer.add_name(name)
    writer.add_size_label(size_label(parameters, 0, 0, 0))
    writer.add_file_type(LlamaFileType.MOSTLY_BF16)
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _add_metadata(writer: GGUFWriter, values: dict[str, Any]) -> None:
    add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    for key, value in values.items():
        add[type(value)](key, value)


def _add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges is not None:
        writer.add_token_merges(vocabulary.merges)
    if vocabulary.space_prefix is not None:
        writer.add_add_space_prefix(vocabulary.space_prefix)
    for kind, token in vocabulary.special_ids.items():
        getattr(writer, f"add_{kind}_token_id")(token)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(vocabulary.add_eos)
    writer.add_chat_template(vocabulary.template)


def _write_tensors(
    writer: GGUFWriter,
    family: Family,
    config: dict[str, Any],
    tensors: Tensors,
    sources: dict[str, str],
    lora: Adapter | None,
    progress: Progress,
) -> None:
    extra, patterns = extra_tensors(config), dict[str, str]()
    for name, tensor in extra.items():
        writer.add_tensor_info(name, tensor.shape, tensor.dtype, tensor.nbytes)
    for name, source in sources.items():
        shape = tensors.shape(source)
        written, patterns[name] = gguf_name(family, name)
        kind, width = _kind(shape)
        size = math.prod(shape) * width
        writer.add_tensor_info(written, shape, np.dtype(np.float32), size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in extra.values():
        writer.write_tensor_data(tensor)
    with progress.bar("export", len(sources)) as bar:
        for name, source in sources.items():
            merged = _merged(name, tensors.read(source), lora)
            made = transform(family, patterns[name], merged, config)
            writer.write_tensor_data(quants.quantize(made, _kind(made.shape)[0]))
            bar.advance()


def _kind(shape: tuple[int, ...]) -> tuple[GGMLQuantizationType, int]:
    """Return how a tensor is stored, and its bytes per weight."""
    one = len(shape) <= 1
    return (GGMLQuantizationType.F32, 4) if one else (GGMLQuantizationType.BF16, 2)


def _merged(name: str, weight: Array, lora: Adapter | None) -> Array:
    """Add a tensor's LoRA product, both in float32."""
    module = name.removesuffix(".weight")
    if lora is None or module == name or module not in lora.modules:
        return weight
    product = lora.product(module)
    if product.shape != weight.shape:
        raise ExportError(
            f"The adapter's {module} is {product.shape}, the base's {weight.shape}.",
            "The adapter was trained on another base; run the build again.",
        )
    return weight + product
