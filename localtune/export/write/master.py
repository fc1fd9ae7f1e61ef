"""Base and adapter -> the master, one GGUF from which every level is quantized.

Knows nothing of build folders or of llama.cpp.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_VERSION, GGUFWriter, LlamaFileType

from localtune.export.families.assumed import differences
from localtune.export.families.family import Family
from localtune.export.read.config_json import Config, read_config
from localtune.export.read.merged import Merged
from localtune.export.tokenizer.vocabulary import (
    Vocabulary,
    chat_template,
    count_tokens,
    read_vocabulary,
)
from localtune.export.unpack.metadata import add_metadata, known_name, own_gguf
from localtune.export.unpack.metadata import constants as factors
from localtune.export.write.card import read_card
from localtune.export.write.gguf_file import (
    PackedGGUFWriter,
    check_numbers,
    describe,
    write_header,
    write_tensors,
)
from localtune.export.write.mapping import complete, family_of, metadata, tensor_map
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path

FILE_TYPES = {
    "bf16": LlamaFileType.MOSTLY_BF16,
    "f16": LlamaFileType.MOSTLY_F16,
    "f32": LlamaFileType.ALL_F32,
}


def export_master(
    base: Path,
    adapter: Path | None,
    master: Path,
    name: str,
    *,
    kind: str = "bf16",
    template: str | None = None,
    comment: str = "",
    progress: Progress = Silent(),
) -> None:
    """Write a base, with an adapter merged into it or without, as one GGUF.

    `base` is a folder of transformers' format, `adapter` one of PEFT's. Matrices are of `kind`
    ("bf16", "f16" or "f32"), vectors float32, as llama.cpp's convert_hf_to_gguf.py writes them.
    The chat template is the adapter's, else the base's, else `template`; `comment` is Jinja that
    renders as nothing, put before a template that doesn't begin with it. A base that was made from
    a GGUF has that file's metadata said again (unpack/metadata.py). Raises ExportError,
    DiskFullError.
    """
    config = read_config(base)
    family = family_of(config)
    config = complete(config, family, count_tokens(base, family.tokenizer))
    for difference in differences(family.arch, config):
        progress.warn(f"llama.cpp will not answer quite as the base does: {difference}.")
    merged = Merged(base, adapter, config, family.prefix)
    tensors = tensor_map(family, config, merged)
    trained, own = chat_template(adapter) if adapter else None, chat_template(base)
    given = trained or (template if own is None else None)
    if comment and (found := given or own):
        given = _commented(found, comment)
    rows = next(tensor.shape[0] for tensor in tensors if tensor.name == "token_embd.weight")
    source = own_gguf(base)
    constants = factors(source) if source else family.factors(config)
    vocabulary = None if source else read_vocabulary(base, rows, family.tokenizer, given)
    check_numbers(tensors, merged, progress)
    with (
        atomic_path(master) as temporary,
        closing(PackedGGUFWriter(temporary, family.arch)) as writer,
    ):
        sizes = describe(writer, tensors, constants, kind)
        if source:
            writer.add_name(known_name(name, source))
            add_metadata(writer, source, given)
            _add_file(writer, kind)
        elif vocabulary:
            known = _known_name(name, family, vocabulary)
            _add_general(writer, base, known, kind, progress)
            _add_metadata(writer, family, config)
            vocabulary.add_to(writer)
        write_tensors(writer, sizes, tensors, constants, merged, kind, progress)


def _commented(template: str, comment: str) -> str:
    """Return a template that renders as before; Jinja drops a line's end after a comment."""
    if template.startswith(comment):
        return template
    return comment + ("\n" if template.startswith("\n") else "") + template


def export_vocabulary(base: Path, gguf: Path, template: str | None = None) -> None:
    """Write a GGUF with a base's tokenizer and no weights, to split text with. Raises ExportError.

    It splits as the master will, which is not always as transformers does: llama.cpp puts a space
    behind the special tokens of SentencePiece, for one.
    """
    config = read_config(base)
    family = family_of(config)
    config = complete(config, family, count_tokens(base, family.tokenizer))
    given = template if chat_template(base) is None else None
    vocabulary = read_vocabulary(base, int(config["vocab_size"]), family.tokenizer, given)
    with (
        atomic_path(gguf) as temporary,
        closing(PackedGGUFWriter(temporary, family.arch)) as writer,
    ):
        _add_general(writer, base, _known_name(gguf.stem, family, vocabulary), "bf16", Silent())
        _add_metadata(writer, family, config)
        vocabulary.add_to(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()


def export_outline(base: Path, gguf: Path) -> None:
    """Write a master's header without a vocabulary, and a hole in the place of its tensors.

    It takes no room; llama.cpp says of it what a level would come to. Raises ExportError.
    """
    config = read_config(base)
    family = family_of(config)
    config = complete(config, family, int(config["vocab_size"]))
    merged = Merged(base, None, config, family.prefix)
    with (
        atomic_path(gguf) as temporary,
        closing(PackedGGUFWriter(temporary, family.arch)) as writer,
    ):
        sizes = describe(writer, tensor_map(family, config, merged), family.factors(config), "bf16")
        _add_file(writer, "bf16")
        _add_metadata(writer, family, config)
        write_header(writer, sizes)


def _known_name(name: str, family: Family, vocabulary: Vocabulary) -> str:
    """Return a name by which llama.cpp knows Phi-3, whose markers swallow the space behind them.

    Source: llama_vocab::impl::load in src/llama-vocab.cpp, which looks at general.name.
    """
    if family.arch != "phi3" or not vocabulary.strips or re.search("phi-?3", name.lower()):
        return name
    return f"{name} (Phi-3)"


def _add_general(writer: GGUFWriter, base: Path, name: str, kind: str, progress: Progress) -> None:
    """Add the model card's values and the sampling that generation_config.json recommends."""
    said = read_card(base, name, writer.get_total_parameter_count(), progress)
    said.set_gguf_meta_model(writer)
    _add_file(writer, kind)


def _add_file(writer: GGUFWriter, kind: str) -> None:
    writer.add_type("model")
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _add_metadata(writer: GGUFWriter, family: Family, config: Config) -> None:
    add: dict[type, Any] = {
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    for key, value in metadata(family, config).items():
        key = key if key.startswith("general.") else f"{family.arch}.{key}"
        add[type(value)](key, value)
