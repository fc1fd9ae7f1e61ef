"""A base's tokenizer -> the tokenizer's part of a GGUF's metadata. Loads no transformers.

Two kinds: byte-level BPE (llama.cpp's "gpt2", told apart by how text is split before merging) and
SentencePiece with byte fallback ("llama"). Sources: conversion/{base,llama,gemma,phi}.py and
src/llama-vocab.cpp of llama.cpp, as vendored in the sdist of llama-cpp-python 0.3.36. What is
written otherwise than there, and why: docs/decisions/0010-export.md.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType

from localtune.errors import ExportError
from localtune.export.read.config_json import read_json
from localtune.export.tokenizer.pre_tokenizers import parts, pre_tokenizer
from localtune.export.tokenizer.roles import Roles
from localtune.export.tokenizer.sentencepiece import (
    SentencePieces,
    looks_special,
    read_gemma4,
    read_merges,
    read_model,
)
from localtune.export.tokenizer.tokenizer_json import check_texts, read_tokenizer, with_config

logging.getLogger("gguf.vocab").setLevel(logging.ERROR)  # it doubts usual templates
logging.getLogger("gguf.gguf_writer").setLevel(logging.ERROR)  # and that a value is set again

Json = dict[str, Any]
# The texts that llama.cpp itself takes for the end of a turn (llama_vocab::impl::load).
ENDS = {
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>"),
    *("<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]"),
    *("<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>"),
    *("<｜end▁of▁sentence｜>", "[e~["),
}
# Where a file doesn't say whether BOS is put in front, llama.cpp puts it with these splits, and
# with every SentencePiece (llama_vocab::impl::load).
BEGIN_WITH_BOS = {
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    *("jina-v5-nano", "tekken", "chameleon"),
}
GRANITE_SIZE = 49152  # the vocabulary of Granite and SmolLM, which begin no text with BOS
CODE_LLAMA = {"prefix": 32007, "suffix": 32008, "middle": 32009, "eot": 32010}
CODE_LLAMA_SIZE = 32016


@dataclass(frozen=True)
class Vocabulary:
    """What llama.cpp must know to tokenise: one entry per token id in `tokens` and `types`.

    `template` None leaves the chat template away. `ends` are further ids that end a turn;
    `strips` says that some tokens swallow the white space behind them.
    """

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] | None
    special: Roles
    space_prefix: bool | None
    add_bos: bool | None
    ends: list[int]
    strips: bool

    def add_to(self, writer: GGUFWriter) -> None:
        """Add all of it to a GGUF's header."""
        writer.add_tokenizer_model(self.model)
        if self.pre:
            writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        writer.add_token_types(self.types)
        self.special.add_to_gguf(writer, quiet=True)
        if self.space_prefix is not None:
            writer.add_add_space_prefix(self.space_prefix)
        if self.add_bos is not None:
            writer.add_add_bos_token(self.add_bos)
        roles = (writer.add_eot_token_id, writer.add_eom_token_id)
        for add, id_ in zip(roles, self.ends, strict=False):
            add(id_)


def read_vocabulary(base: Path, size: int, family: str, template: str | None) -> Vocabulary:
    """Read the tokenizer of a base.

    `size` is the number of rows of the embedding; ids without a token are padded. `family` is
    Family.tokenizer. `template` replaces the base's chat template, if given. Raises ExportError
    for a tokenizer that llama.cpp would split differently.
    """
    file = base / "tokenizer.json"
    stored = with_config(read_tokenizer(file), base) if file.is_file() else None
    if stored is None and not (base / "tokenizer.model").is_file():
        raise ExportError(
            f"{base} holds no tokenizer.json and no tokenizer.model.",
            "Load the tokenizer with transformers and save it with save_pretrained().",
        )
    pieced = stored is None or bool(stored["model"].get("byte_fallback"))
    gemma4 = family == "gemma4" and pieced and stored is not None
    special = Roles(base, stored, not pieced or gemma4, size)
    if template is not None:
        special.chat_template = template
    if pieced:
        pieces = _pieces(base, stored, size, family)
    else:
        assert stored is not None
        pieces = _byte_level(stored, size)
    check_texts(pieces.tokens)
    _name_infilling(special, family, size)
    pre = "default" if pieced or stored is None else pre_tokenizer(stored, file)
    pre = "" if gemma4 else pre
    return Vocabulary(
        model="gemma4" if gemma4 else "llama" if pieced else "gpt2",
        pre=pre,
        tokens=pieces.tokens,
        types=pieces.types,
        scores=pieces.scores if pieced else None,
        special=special,
        space_prefix=_space_prefix(base, stored, family, pieced),
        add_bos=gemma4 or _add_bos(special, family, size, pieced or pre in BEGIN_WITH_BOS),
        ends=_further_ends(base, pieces, special),
        strips=any(entry.get("rstrip") for entry in (stored or {}).get("added_tokens", [])),
    )


def count_tokens(base: Path, family: str) -> int:
    """Return how many tokens a tokenizer has, as Gemma's converter counts them, 0 for no Gemma."""
    if not family.startswith("gemma"):
        return 0
    if (base / "tokenizer.model").is_file() or not (base / "tokenizer.json").is_file():
        return 1 << 62  # tokenizer.model is padded to the model's size instead
    stored = read_tokenizer(base / "tokenizer.json")
    return len(stored["model"]["vocab"]) + len(stored.get("added_tokens", []))


def chat_template(folder: Path) -> str | None:
    """Return the chat template saved with a tokenizer, None where there is none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    config = folder / "tokenizer_config.json"
    found = read_json(config).get("chat_template") if config.is_file() else None
    if isinstance(found, list):  # several, by name
        found = {entry["name"]: entry["template"] for entry in found}.get("default")
    return found if isinstance(found, str) else None


def _pieces(base: Path, stored: Json | None, size: int, family: str) -> SentencePieces:
    if family == "gemma4" and stored is not None:
        return read_gemma4(base, stored, _tokens(stored, size))
    if (base / "tokenizer.model").is_file():
        return read_model(base, size, plain=family == "phi3")
    assert stored is not None
    return read_merges(stored, _tokens(stored, size))


def _byte_level(stored: Json, size: int) -> SentencePieces:
    """Return tokens and types; CONTROL ones are found in prompts as one token."""
    added = {entry["id"]: entry for entry in stored.get("added_tokens", [])}
    known = set(stored["model"]["vocab"].values()) | added.keys()
    tokens, types = _tokens(stored, size), [int(TokenType.NORMAL)] * size
    for id_ in range(size):
        if id_ in added:
            special = added[id_].get("special") or looks_special(tokens[id_])
            types[id_] = int(TokenType.CONTROL if special else TokenType.USER_DEFINED)
            if not special:
                tokens[id_] = tokens[id_].replace("▁", " ")
        elif id_ not in known:
            types[id_] = int(TokenType.UNUSED)
    return SentencePieces(tokens, [], types)


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


def _name_infilling(special: Roles, family: str, size: int) -> None:
    """Name CodeLlama's tokens for filling in."""
    if family == "llama" and size == CODE_LLAMA_SIZE:
        special.special_token_ids |= {
            role: id_ for role, id_ in CODE_LLAMA.items() if role not in special.special_token_ids
        }


def _add_bos(special: Roles, family: str, size: int, usual: bool) -> bool | None:
    """Whether BOS goes before every text; None leaves it to what the files or llama.cpp say.

    llama.cpp's script leaves it to llama.cpp, which puts BOS where the tokenizer puts none.
    """
    if family == "llama" and size == GRANITE_SIZE:
        return False
    return False if usual and "bos" not in special.add_special_token else None


def _space_prefix(base: Path, stored: Json | None, family: str, pieced: bool) -> bool | None:
    """Whether a space goes before the first word; None leaves it to llama.cpp, which adds one.

    llama.cpp's script believes tokenizer_config.json. Where that says nothing, and tokenizer.json
    puts no space, ours says so.
    """
    if pieced and family in ("gemma", "gemma4"):
        return False
    config = base / "tokenizer_config.json"
    said = read_json(config).get("add_prefix_space") if config.is_file() else None
    if family == "llama" and said is not None:
        return bool(said)
    if not pieced or stored is None:
        return None
    steps = parts(stored.get("normalizer"), "normalizers")
    steps += parts(stored.get("pre_tokenizer"), "pretokenizers")
    return None if any(map(_puts_space, steps)) else False


def _puts_space(step: Json) -> bool:
    if step["type"] == "Metaspace":
        return step.get("prepend_scheme", "always") != "never"
    return step["type"] == "Prepend"


def _further_ends(base: Path, pieces: SentencePieces, special: Roles) -> list[int]:
    """Return what generation_config.json lists as ends of a turn, where llama.cpp wouldn't know."""
    file = base / "generation_config.json"
    found = read_json(file).get("eos_token_id") if file.is_file() else None
    ids = found if isinstance(found, list) else []
    known = special.special_token_ids.get("eos")

    def is_further(id_: Any) -> bool:
        if not isinstance(id_, int) or id_ == known or not 0 <= id_ < len(pieces.tokens):
            return False
        control = pieces.types[id_] == int(TokenType.CONTROL)
        return control and pieces.tokens[id_] not in ENDS

    return [id_ for id_ in ids if is_further(id_)]
