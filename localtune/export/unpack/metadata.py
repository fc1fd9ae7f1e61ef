"""A base's own GGUF -> the metadata of what is tuned from it: said again as it was said.

A master then has the vocabulary, the scores, the licence and the constants of the very file that
it was tuned from, also those that config.json and tokenizer.json have no place for.
"""

from __future__ import annotations

import re
from pathlib import Path

from gguf import GGUFValueType, GGUFWriter

from localtune.export.read.arrays import Array
from localtune.export.unpack.gguf_source import SOURCE, GgufSource
from localtune.export.unpack.weights import FACTORS

TEMPLATE = "tokenizer.chat_template"
# What is of one file, not of the model.
OWN = {
    *("general.architecture", "general.name", "general.type", "general.file_type"),
    *("general.quantization_version", "general.quantized_by", "general.alignment"),
}
GONE = ("quantize.", "split.")


class Packed(bytes):
    """A metadata value as a GGUF stores it, behind the number of its type."""


def own_gguf(base: Path) -> GgufSource | None:
    """Open the GGUF that a base's folder was made from; None for a base of another kind."""
    file = base / SOURCE
    return GgufSource(file) if file.exists() else None


def add_metadata(writer: GGUFWriter, source: GgufSource, template: str | None) -> None:
    """Say again what a GGUF says of the model; `template` is in the place of its chat template."""
    for key in source.entries:
        vision = key.startswith(f"{source.get('general.architecture')}.vision.")
        if key in OWN or key.startswith(GONE) or vision or (template and key == TEMPLATE):
            continue
        kind, stored = source.raw(key)
        writer.add_key_value(key, Packed(stored), GGUFValueType(kind))
    if template:
        writer.add_chat_template(template)


def known_name(name: str, source: GgufSource) -> str:
    """Return a name by which llama.cpp knows Phi-3, where the source's name is one.

    Source: llama_vocab::impl::load in src/llama-vocab.cpp, which looks at general.name.
    """
    phi3 = re.compile("phi-?3")
    was = phi3.search(str(source.get("general.name", "")).lower())
    return f"{name} (Phi-3)" if was and not phi3.search(name.lower()) else name


def constants(source: GgufSource) -> dict[str, Array]:
    """Return the file's factors of rotary positions, which no training changes."""
    return {
        name: source.rows(name, slice(None)).reshape(source.tensors[name].shape)
        for name in FACTORS
        if name in source.tensors
    }
