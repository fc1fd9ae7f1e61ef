"""A loaded GGUF's vocabulary: text to token ids, a token id to its bytes."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp

from localtune.llama.alphabet import Alphabet, alphabet_of


class LoadedVocabulary:
    """The vocabulary of a loaded model of llama.cpp's, which must outlive it."""

    def __init__(self, model: Any) -> None:
        self._handle = llama_cpp.llama_model_get_vocab(model)
        self.size = llama_cpp.llama_vocab_n_tokens(self._handle)
        self._alphabet = _alphabet(self._handle)

    def token_ids(self, text: str) -> list[int]:
        """Tokenise a text as llama.cpp's server does: special tokens count, BOS comes once."""
        ids = self._tokenize((self._alphabet.keep(text) if self._alphabet else text).encode())
        bos = llama_cpp.llama_vocab_bos(self._handle)
        begins = llama_cpp.llama_vocab_get_add_bos(self._handle)
        return [bos, *ids] if begins and ids[:1] != [bos] else ids

    def piece(self, token: int) -> bytes:
        """Return what a token adds to a text, nothing for a special one."""
        return piece(self._handle, token)

    def ends(self, token: int) -> bool:
        """Whether a model ends its turn with this token."""
        return bool(llama_cpp.llama_vocab_is_eog(self._handle, token))

    def ends_of_turn(self) -> tuple[str, ...]:
        """Return the tokens that end an answer, as text."""
        found = [piece(self._handle, i, special=True) for i in range(self.size) if self.ends(i)]
        return tuple(text.decode("utf-8", "replace") for text in found)

    def _tokenize(self, text: bytes) -> list[int]:
        room = len(text) + 2
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._handle, text, len(text), tokens, room, False, True)
        return list(tokens[:count])


def piece(handle: Any, token: int, special: bool = False) -> bytes:
    """Return a token's bytes; those of a special one only if asked for."""
    size = 64
    while True:
        buffer = ctypes.create_string_buffer(size)
        written = llama_cpp.llama_token_to_piece(handle, token, buffer, size, 0, special)
        if written >= 0:
            return buffer.raw[:written]
        size = -written


def _alphabet(handle: Any) -> Alphabet | None:
    """Return what a SentencePiece vocabulary can't do without; other kinds know every byte."""
    if llama_cpp.llama_vocab_type(handle) != llama_cpp.LLAMA_VOCAB_TYPE_SPM:
        return None
    ids = range(llama_cpp.llama_vocab_n_tokens(handle))
    pieces = [llama_cpp.llama_vocab_get_text(handle, id_).decode("utf-8") for id_ in ids]
    control = [p for i, p in enumerate(pieces) if llama_cpp.llama_vocab_is_control(handle, i)]
    return alphabet_of(pieces, control)
