"""A GGUF's metadata, read plainly: the gguf package's reader takes half a minute for a vocabulary.

Source: docs/gguf.md of ggml: magic, version, counts, then key, type, value.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

NUMBERS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}  # struct's letters
TEXT, LIST = 8, 9


class Reader:
    """The bytes of a header, read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, letter: str) -> Any:
        value = struct.unpack_from(f"<{letter}", self.data, self.at)[0]
        self.at += struct.calcsize(f"<{letter}")
        return value

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            size = self.number("Q")
            self.at += size
            return self.data[self.at - size : self.at].decode("utf-8", "surrogateescape")
        if kind == LIST:
            inner, count = self.number("I"), self.number("Q")
            return [self.value(inner) for _ in range(count)]
        return self.number(NUMBERS[kind])


def fields(gguf: Path) -> dict[str, Any]:
    """Return every key and value of a GGUF's metadata but its name."""
    with gguf.open("rb") as file:
        reader = Reader(file.read(64_000_000))
    assert reader.data[:4] == b"GGUF"
    reader.at = 8
    _, count = reader.number("Q"), reader.number("Q")
    found = {}
    for _ in range(count):
        key = reader.value(TEXT)
        found[key] = reader.value(reader.number("I"))
    found.pop("general.name", None)
    return found
