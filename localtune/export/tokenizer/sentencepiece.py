"""The pieces of a SentencePiece tokenizer, with scores and types as llama.cpp wants them.

Where there is a tokenizer.model its scores are written, as llama.cpp's converter does. Where there
is only a tokenizer.json (byte-fallback BPE) the order of its merges gives the scores; the converter
writes one score for all tokens there, and llama.cpp then splits text otherwise than the base does.
Source: TextModel._create_vocab_sentencepiece (conversion/base.py), Phi3MiniModel
(conversion/phi.py) and llm_tokenizer_spm (src/llama-vocab.cpp) of llama.cpp, as vendored in
llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import TokenType

from localtune.errors import ExportError
from localtune.export.read.config_json import read_json

Json = dict[str, Any]
BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
ADDED, PADDING = -1000.0, -10000.0  # the scores of tokens that no merge makes


@dataclass
class SentencePieces:
    """One entry per token id in each list."""

    tokens: list[str]
    scores: list[float]
    types: list[int]

    def put(self, id_: int, token: str, kind: TokenType) -> None:
        """Set an added token; ids beyond the model's are left out, as llama.cpp's script does."""
        if id_ < len(self.tokens):
            self.tokens[id_], self.scores[id_], self.types[id_] = token, ADDED, int(kind)


def read_model(folder: Path, size: int, plain: bool) -> SentencePieces:
    """Return the pieces of tokenizer.model and of what was added to it; `size` ids in all.

    `plain` is Phi-3's way: only what is marked special is a control token. Raises ExportError.
    """
    pieces = _of_model(folder / "tokenizer.model", size)
    if (folder / "added_tokens.json").is_file():
        for token, id_ in read_json(folder / "added_tokens.json").items():
            pieces.put(int(id_), token, TokenType.USER_DEFINED)
    config = folder / "tokenizer_config.json"
    stored = read_json(config).get("added_tokens_decoder", {}) if config.is_file() else {}
    added = [(int(id_), entry) for id_, entry in stored.items()]
    if plain and (folder / "tokenizer.json").is_file():
        tokens = read_json(folder / "tokenizer.json").get("added_tokens", [])
        added += [(int(entry["id"]), entry) for entry in tokens]
    for id_, entry in added:
        token = entry["content"]
        if entry.get("special") or (not plain and looks_special(token)):
            pieces.put(id_, token, TokenType.CONTROL)
        else:
            shown = token if plain else token.replace("▁", " ")
            pieces.put(id_, shown, TokenType.USER_DEFINED)
    return pieces


def _of_model(file: Path, size: int) -> SentencePieces:
    from sentencepiece import SentencePieceProcessor

    try:
        model = SentencePieceProcessor(model_file=str(file))
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{file} can't be read: {error}.", "Fetch the base again.") from error
    pieces = SentencePieces(
        [f"[PAD{id_}]" for id_ in range(size)], [PADDING] * size, [int(TokenType.UNUSED)] * size
    )
    for id_ in range(min(size, model.vocab_size())):
        pieces.tokens[id_] = model.IdToPiece(id_)
        pieces.scores[id_] = model.GetScore(id_)
        pieces.types[id_] = int(_model_type(model, id_))
    return pieces


def _model_type(model: Any, id_: int) -> TokenType:
    if model.IsUnknown(id_):
        return TokenType.UNKNOWN
    if model.IsControl(id_):
        return TokenType.CONTROL
    if model.IsUnused(id_):
        return TokenType.UNUSED
    return TokenType.BYTE if model.IsByte(id_) else TokenType.NORMAL


def looks_special(token: str) -> bool:
    """Whether a token is a control token by its look, though its tokenizer doesn't mark it."""
    return (
        token in ("<pad>", "<mask>", "<2mass>", "[@BOS@]")
        or (token.startswith("<|") and token.endswith("|>"))
        or (token.startswith("<｜") and token.endswith("｜>"))
        or (token.startswith("<unused") and token.endswith(">"))
    )


def read_merges(stored: Json, tokens: list[str]) -> SentencePieces:
    """Return the pieces of a tokenizer.json without a tokenizer.model, scored by their merges."""
    ranks = _ranks(stored["model"])
    added = {entry["content"]: entry for entry in stored.get("added_tokens", [])}
    known = stored["model"]["vocab"]

    def kind(token: str) -> TokenType:
        if token in added:
            special = added[token]["special"] or looks_special(token)
            return TokenType.CONTROL if special else TokenType.USER_DEFINED
        if token not in known:
            return TokenType.UNUSED
        return TokenType.BYTE if BYTE.fullmatch(token) else TokenType.NORMAL

    scores = [ranks.get(token, 0.0) for token in tokens]
    return SentencePieces(tokens, scores, [int(kind(token)) for token in tokens])


def _ranks(model: Json) -> dict[str, float]:
    """Return a score for every merged token: the earlier its merge, the higher.

    llama.cpp merges the pair with the highest score, where tokenizers takes the merge listed first.
    """
    produced: dict[str, float] = {}
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        produced.setdefault(left + right, -float(len(produced)))
    return produced


# Gemma 4's markers that a chat's parser must see (Gemma4Model.set_vocab in conversion/gemma.py).
SHOWN = {
    *("<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>"),
    *("<|tool_response>", "<tool_response|>", '<|"|>'),
}


def read_gemma4(folder: Path, stored: Json, tokens: list[str]) -> SentencePieces:
    """Return Gemma 4's pieces: control tokens are those that tokenizer_config.json gives a role."""
    file = folder / "tokenizer_config.json"
    config = read_json(file) if file.is_file() else {}
    said = [value for key, value in config.items() if key.endswith("_token")]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        more = config.get(key) or []
        said += more.values() if isinstance(more, dict) else more
    roles = {value["content"] if isinstance(value, dict) else value for value in said if value}
    known = stored["model"]["vocab"]

    def kind(token: str) -> TokenType:
        if token in SHOWN:
            return TokenType.USER_DEFINED
        if BYTE.fullmatch(token):
            return TokenType.BYTE
        if token in roles:
            return TokenType.CONTROL
        return TokenType.NORMAL if token in known else TokenType.USER_DEFINED

    return SentencePieces(tokens, [ADDED] * len(tokens), [int(kind(token)) for token in tokens])
