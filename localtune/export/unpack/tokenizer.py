"""A GGUF's vocabulary -> tokenizer.json, tokenizer_config.json, generation_config.json, template.

The ids are the file's. Lessons are split by llama.cpp from the file itself; what is written here
renders chats, names special tokens, turns ids into text, and splits the same way for whoever loads
the adapter with transformers. Source: src/llama-vocab.cpp of llama.cpp, as vendored in
llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gguf import TokenType

from localtune.errors import BaseModelError
from localtune.export.tokenizer.tokenizer_json import check_texts
from localtune.export.tokenizer.vocabulary import BEGIN_WITH_BOS
from localtune.export.unpack.gguf_source import GgufSource
from localtune.export.unpack.splits import ignores_merges, known, steps

Json = dict[str, Any]
ADDED = {int(TokenType.CONTROL), int(TokenType.USER_DEFINED), int(TokenType.UNKNOWN)}
KINDS = ("gpt2", "llama", "gemma4")
SPACE = "▁"  # a space, as SentencePiece writes it
ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
IDS = {"bos": "bos", "eos": "eos", "padding": "pad"}
ENDS = ("eos", "eot", "eom")


def write_tokenizer(source: GgufSource, folder: Path) -> None:
    """Write the tokenizer's files. Raises ExportError where two ids have the same text."""
    stored, config = tokenizer(source), tokenizer_config(source)
    _write(folder / "tokenizer.json", stored)
    _write(folder / "tokenizer_config.json", config)
    ends = [id_ for role in ENDS if (id_ := _role(source, role)) is not None]
    if ends:
        unique = list(dict.fromkeys(ends))
        _write(folder / "generation_config.json", {"eos_token_id": unique})
    if template := source.get("tokenizer.chat_template"):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def _write(file: Path, value: Json) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def check_tokenizer(source: GgufSource) -> None:
    """Raise BaseModelError for a tokenizer that can't be trained with."""
    name, kind = source.file.name, source.get("tokenizer.ggml.model")
    pre = source.get("tokenizer.ggml.pre", "default")
    if kind not in KINDS or "tokenizer.ggml.tokens" not in source.entries:
        raise BaseModelError(
            f"The tokenizer of {name} is of the kind {kind}, which can't be trained with.",
            "Choose a base with a BPE or SentencePiece tokenizer.",
        )
    if kind == "gpt2" and steps(pre) is None:
        raise BaseModelError(
            f"{name} splits text as {pre!r}, which can't be trained with.",
            f"Choose a base that splits as one of these: {', '.join(known())}.",
        )
    if "tokenizer.ggml.eos_token_id" not in source.entries:
        raise BaseModelError(
            f"{name} names no token that ends an answer.", "Choose another file of the model."
        )


def tokenizer(source: GgufSource) -> Json:
    """Return the content of tokenizer.json, of a vocabulary that was checked."""
    kind, pre = source.get("tokenizer.ggml.model"), source.get("tokenizer.ggml.pre", "default")
    tokens = source.get("tokenizer.ggml.tokens")
    check_texts(tokens)
    types = source.get("tokenizer.ggml.token_type") or [int(TokenType.NORMAL)] * len(tokens)
    added = [_added(id_, tokens[id_], kind) for id_, kind in enumerate(types) if kind in ADDED]
    made = _byte_level(source, tokens, pre) if kind == "gpt2" else _pieces(source, tokens, kind)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        **made,
        "post_processor": _begin(source, tokens, kind, pre),
    }


def _added(id_: int, token: str, kind: int) -> Json:
    return {
        "id": id_,
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": kind != int(TokenType.USER_DEFINED),
    }


def _byte_level(source: GgufSource, tokens: list[str], pre: str) -> Json:
    split = steps(pre) or {}
    return {
        "normalizer": None,
        "pre_tokenizer": split,
        "decoder": {**split["pretokenizers"][-1], "use_regex": True},
        "model": _model(tokens, _merges(source), ignore_merges=ignores_merges(pre)),
    }


def _pieces(source: GgufSource, tokens: list[str], kind: str) -> Json:
    """Return a SentencePiece, or Gemma 4's, as BPE over "▁" for spaces, and bytes for the rest."""
    front = kind == "llama" and source.get("tokenizer.ggml.add_space_prefix", True)
    scores = source.get("tokenizer.ggml.scores")
    merges = _merges(source) if kind == "gemma4" else _merges_of(tokens, scores or [])
    unknown = _role(source, "unknown")
    spaces: list[Json] = [{"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]
    words: list[Json] = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}]
    words += [{"type": "ByteFallback"}, {"type": "Fuse"}]
    if front:
        spaces.insert(0, {"type": "Prepend", "prepend": SPACE})
        words.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": {"type": "Sequence", "normalizers": spaces},
        "pre_tokenizer": None if kind == "llama" else _LINES,
        "decoder": {"type": "Sequence", "decoders": words},
        "model": _model(
            tokens,
            merges,
            unk_token=None if unknown is None else tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        ),
    }


_LINES = {
    "type": "Split",
    "pattern": {"Regex": r"[^\n]+|[\n]+"},
    "behavior": "Isolated",
    "invert": False,
}


def _model(tokens: list[str], merges: list[list[str]], **more: Any) -> Json:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **more,
        # Rows that no token has are named by the converter; they are no words.
        "vocab": {t: id_ for id_, t in enumerate(tokens) if t != f"[PAD{id_}]"},
        "merges": merges,
    }


def _merges(source: GgufSource) -> list[list[str]]:
    """Return the pairs in their order. The blank between them isn't the first character."""
    found = source.get("tokenizer.ggml.merges") or []
    places = [text.find(" ", 1) for text in found]
    return [[text[:at], text[at + 1 :]] for text, at in zip(found, places, strict=True)]


def _merges_of(tokens: list[str], scores: list[float]) -> list[list[str]]:
    """Return all pairs that make a token, those of the highest score first.

    llama.cpp's SentencePiece merges the pair whose piece has the highest score, whatever the pair.
    """
    ids = {token: id_ for id_, token in enumerate(tokens)}
    found = [
        (-scores[ids[token]], id_, token[:at], token[at:])
        for token, id_ in ids.items()
        for at in range(1, len(token))
        if token[:at] in ids and token[at:] in ids
    ]
    return [[left, right] for *_, left, right in sorted(found)]


def _begin(source: GgufSource, tokens: list[str], kind: str, pre: str) -> Json | None:
    """Return the step that puts BOS in front of a text, where llama.cpp does."""
    usual = kind == "llama" or pre in BEGIN_WITH_BOS
    bos = _role(source, "bos")
    if bos is None or not source.get("tokenizer.ggml.add_bos_token", usual):
        return None
    token, text = tokens[bos], {"Sequence": {"id": "A", "type_id": 0}}
    first = {"SpecialToken": {"id": token, "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, second],
        "special_tokens": {token: {"id": token, "ids": [bos], "tokens": [token]}},
    }


def tokenizer_config(source: GgufSource) -> Json:
    """Return the content of tokenizer_config.json: which tokens begin, end and pad a text."""
    tokens = source.get("tokenizer.ggml.tokens")
    named = {
        name: tokens[id_]
        for role, name in ROLES.items()
        if (id_ := _role(source, role)) is not None
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),
        **named,
    }


def special_ids(source: GgufSource) -> Json:
    """Return what config.json says of the tokens; null where transformers would assume some."""
    return {f"{name}_token_id": _role(source, role) for role, name in IDS.items()}


def _role(source: GgufSource, role: str) -> int | None:
    """Return the id of a special token, None where the file names none or one that isn't there."""
    found = source.get(f"tokenizer.ggml.{role}_token_id")
    size = len(source.get("tokenizer.ggml.tokens") or [])
    return int(found) if found is not None and found < size else None
