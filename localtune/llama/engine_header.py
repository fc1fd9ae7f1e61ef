"""Read a Header from a model that llama.cpp has loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import llama_cpp

from localtune.llama.header import Header
from localtune.llama.vocabulary import piece


def header_of(model: Any) -> Header:
    """Return what a loaded model of llama.cpp's says about itself, but for `ends`."""
    family = _value(model, "general.architecture")
    return Header(
        name=_value(model, "general.name"),
        template=_value(model, "tokenizer.chat_template"),
        bos=_special(model, "bos"),
        eos=_special(model, "eos"),
        adds_bos=llama_cpp.llama_vocab_get_add_bos(llama_cpp.llama_model_get_vocab(model)),
        context=int(_value(model, f"{family}.context_length") or 0),
        embeds=bool(_value(model, f"{family}.pooling_type")),
        parameters=llama_cpp.llama_model_n_params(model),
        metadata=dict(_general(model)),
    )


def _general(model: Any) -> Iterator[tuple[str, str]]:
    """Yield what the file says of its making, lists left out."""
    for i in range(llama_cpp.llama_model_meta_count(model)):
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_meta_key_by_index(model, i, buffer, 256)
        key = buffer.value.decode("utf-8", "replace")
        if key.startswith("general."):
            yield key.removeprefix("general."), _value(model, key)


def _value(model: Any, key: str) -> str:
    """Return a metadata value as text, "" where the file hasn't that key."""
    size = llama_cpp.llama_model_meta_val_str(model, key.encode(), None, 0)
    if size < 0:
        return ""
    buffer = ctypes.create_string_buffer(size + 1)
    llama_cpp.llama_model_meta_val_str(model, key.encode(), buffer, size + 1)
    return buffer.value.decode("utf-8")


def _special(model: Any, kind: str) -> str:
    """Return the text of the BOS or EOS token; llama.cpp would assume one where none is named."""
    token = _value(model, f"tokenizer.ggml.{kind}_token_id")
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    return piece(vocabulary, int(token), special=True).decode("utf-8") if token else ""
