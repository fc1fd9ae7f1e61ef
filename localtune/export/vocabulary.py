"""A tokenizer.json -> the tokenizer's part of a GGUF's metadata. Loads no transformers.

Two kinds: byte-level BPE (llama.cpp's "gpt2", told apart by how text is split before merging) and
SentencePiece-like BPE with byte fallback ("llama"). Sources: conversion/base.py and
src/llama-vocab.cpp of llama.cpp, as vendored in the sdist of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import SpecialVocab, TokenType

from localtune.config import PLAIN_TEMPLATE
from localtune.errors import ExportError

logging.getLogger("gguf.vocab").setLevel(logging.ERROR)  # it doubts usual templates

Json = dict[str, Any]
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
GPT2 = "ByteLevel"
# How text is split, then whether merges are skipped for whole words: llama.cpp's name for it.
PRE_TOKENIZERS = {
    ((GPT2,), False): "gpt-2",
    (("Digits", GPT2), False): "smollm",
    ((_WORDS + r"\p{N}{1,3}" + _TAIL,), True): "llama-bpe",
    ((_WORDS + r"\p{N}{1,3}" + _TAIL,), False): "dbrx",
    ((_WORDS + r"\p{N}" + _TAIL,), False): "qwen2",
}
BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


@dataclass(frozen=True)
class Vocabulary:
    """What llama.cpp must know to tokenise: one entry per token id in the three lists."""

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] | None
    merges: list[str] | None
    space_prefix: bool | None
    special_ids: dict[str, int]
    add_bos: bool
    add_eos: bool
    template: str


def read_vocabulary(base: Path, adapter: Path | None, size: int) -> Vocabulary:
    """Read the tokenizer of a base, and the chat template that the adapter was trained with.

    `size` is the number of rows of the embedding; ids without a token are padded. Raises
    ExportError for a tokenizer that llama.cpp would split differently.
    """
    stored = _read_tokenizer(base / "tokenizer.json")
    special = SpecialVocab(base, load_merges=True, n_vocab=size)
    template = chat_template(adapter) if adapter else None
    template = template or chat_template(base) or PLAIN_TEMPLATE
    byte_level = not stored["model"].get("byte_fallback")
    ranks = None if byte_level else _scores(stored["model"])
    return Vocabulary(
        model="gpt2" if byte_level else "llama",
        pre=_pre_tokenizer(stored) if byte_level else "default",
        tokens=(tokens := _tokens(stored, size)),
        types=_types(stored, tokens),
        scores=None if ranks is None else [ranks.get(token, 0.0) for token in tokens],
        merges=special.merges if byte_level else None,
        space_prefix=None if byte_level else _space_prefix(stored),
        special_ids=special.special_token_ids,
        add_bos=_writes_bos(template, tokens, special),
        add_eos=False,
        template=template,
    )


def chat_template(folder: Path) -> str | None:
    """Return the chat template saved with a tokenizer, None where there is none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    config = folder / "tokenizer_config.json"
    if not config.is_file():
        return None
    found = json.loads(config.read_text(encoding="utf-8")).get("chat_template")
    if isinstance(found, list):  # several, by name
        found = {entry["name"]: entry["template"] for entry in found}.get("default")
    return found if isinstance(found, str) else None


def _writes_bos(template: str, tokens: list[str], special: SpecialVocab) -> bool:
    """Whether prompts begin with the BOS token, as the tokenizer and the chat template have it.

    llama.cpp's script looks at the tokenizer alone. But lessons are what the template renders and
    no more, and a runtime that put a BOS in front would ask what was never trained.
    """
    bos = special.special_token_ids.get("bos")
    if bos is None or not special.add_special_token.get("bos"):
        return False
    return "bos_token" in template or tokens[bos] in template


def _read_tokenizer(file: Path) -> Json:
    if not file.is_file():
        raise ExportError(
            f"{file.parent} holds no tokenizer.json.",
            "Load the tokenizer with transformers and save it with save_pretrained().",
        )
    stored: Json = json.loads(file.read_text(encoding="utf-8"))
    if stored["model"].get("type") != "BPE":
        raise ExportError(
            f"The base's tokenizer is {stored['model'].get('type')}, which can't be written yet.",
            "Choose a base whose tokenizer is BPE; nearly every Llama's is.",
        )
    return stored


def _pre_tokenizer(stored: Json) -> str:
    """Return llama.cpp's name for the way a byte-level tokenizer splits text."""
    steps = _steps(stored.get("pre_tokenizer"), "pretokenizers")
    split = tuple(filter(None, map(_split, steps)))
    name = PRE_TOKENIZERS.get((split, bool(stored["model"].get("ignore_merges"))))
    if name is None or stored.get("normalizer"):
        raise ExportError(
            f"The base's tokenizer splits text in a way that isn't known here ({split}).",
            "Choose a base with the tokenizer of GPT-2, SmolLM, Llama 3 or Qwen 2; --base tiny "
            "has one.",
        )
    return name


def _steps(step: Json | None, parts: str) -> list[Json]:
    if step is None:
        return []
    return list(step[parts]) if step["type"] == "Sequence" else [step]


def _split(step: Json) -> str:
    """Return what one pre-tokenizer splits by; "" where it only maps bytes to characters."""
    if step["type"] == "Split":
        return str(step["pattern"].get("Regex", step["pattern"]))
    if step["type"] == "ByteLevel":
        if step.get("add_prefix_space"):
            return "ByteLevel with a space in front"
        return GPT2 if step.get("use_regex", True) else ""
    if step["type"] == "Digits" and not step.get("individual_digits"):
        return "groups of digits"
    return str(step["type"])


def _tokens(stored: Json, size: int) -> list[str]:
    """Return the text of every id; ids that no token has are named as llama.cpp's script does."""
    by_id = {id_: token for token, id_ in stored["model"]["vocab"].items()}
    by_id.update({added["id"]: added["content"] for added in stored.get("added_tokens", [])})
    if max(by_id) >= size:
        raise ExportError(
            f"The tokenizer has ids up to {max(by_id)}, the model only {size}.",
            "The tokenizer belongs to another model; use the one saved with the base.",
        )
    return [by_id.get(id_, f"[PAD{id_}]") for id_ in range(size)]


def _types(stored: Json, tokens: list[str]) -> list[int]:
    """Return llama.cpp's type of every token; CONTROL ones are found in prompts as one token.

    For SentencePiece-like tokenizers llama.cpp's script leaves out added special tokens that have
    no role such as BOS, and a ChatML prompt would be split letter by letter.
    """
    added = {entry["content"]: entry for entry in stored.get("added_tokens", [])}
    known, fallback = stored["model"]["vocab"], stored["model"].get("byte_fallback")

    def kind(token: str) -> TokenType:
        if token in added:
            special = added[token]["special"] or (token.startswith("<|") and token.endswith("|>"))
            return TokenType.CONTROL if special else TokenType.USER_DEFINED
        if token not in known:
            return TokenType.UNUSED
        return TokenType.BYTE if fallback and BYTE.fullmatch(token) else TokenType.NORMAL

    return [int(kind(token)) for token in tokens]


def _scores(model: Json) -> dict[str, float]:
    """Return a score for every merged token: the earlier its merge, the higher.

    llama.cpp merges the pair with the highest score, where tokenizers takes the merge listed
    first. (llama.cpp's script gives all tokens one score here, and with it other token ids.)
    """
    produced: dict[str, float] = {}
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        produced.setdefault(left + right, -float(len(produced)))
    return produced


def _space_prefix(stored: Json) -> bool:
    """Whether a space goes before the first word."""
    steps = _steps(stored.get("normalizer"), "normalizers")
    steps += _steps(stored.get("pre_tokenizer"), "pretokenizers")
    return any(
        step["type"] == "Prepend"
        or (step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in steps
    )
