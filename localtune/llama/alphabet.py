"""The characters a SentencePiece vocabulary without byte tokens knows; the others are left out.

Such vocabularies are those of very small models. transformers drops what they don't know, and so
did training; llama.cpp (src/llama-vocab.cpp, byte_to_token) ends the process on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SPACE = "▁"


@dataclass(frozen=True)
class Alphabet:
    """`pieces` are the texts of all tokens, `special` finds those that text may hold as markers."""

    pieces: frozenset[str]
    special: re.Pattern[str]

    def keep(self, text: str) -> str:
        """Return text without the characters that no token stands for."""
        return "".join(
            part if self.special.fullmatch(part) else "".join(filter(self._known, part))
            for part in self.special.split(text)
        )

    def _known(self, char: str) -> bool:
        piece = SPACE if char == " " else char
        return piece in self.pieces or all(
            f"<0x{byte:02X}>" in self.pieces for byte in piece.encode("utf-8")
        )


def alphabet_of(pieces: list[str], special: list[str]) -> Alphabet | None:
    """Return the alphabet of a vocabulary; None where it has all bytes, so nothing is unknown."""
    known = frozenset(pieces)
    if all(f"<0x{byte:02X}>" in known for byte in range(256)):
        return None
    marks = "|".join(map(re.escape, sorted(special, key=len, reverse=True)))
    return Alphabet(known, re.compile(f"({marks})" if marks else r"(?!)()"))
