"""What a word can be: a first name, a surname, an ordinary English word (words.txt.gz).

The list is made by tools/name_lists.py and read when it is first asked for.
"""

from __future__ import annotations

import gzip
import unicodedata
from functools import cache, lru_cache
from importlib import resources

FIRST, SURNAME, WORD = 1, 2, 4
_FLAGS = {"f": FIRST, "s": SURNAME, "w": WORD}
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae",
                          "œ": "oe", "þ": "th", "’": "'", "‘": "'"})  # fmt: skip


def plain(word: str) -> str:
    """Fold case and take accents off: "Nuñez" and "NUNEZ" are the same name."""
    word = word.lower()
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFKD", word.translate(_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@cache
def _list() -> dict[str, int]:
    packed = resources.files("localtune.privacy.find").joinpath("words.txt.gz").read_bytes()
    rows = gzip.decompress(packed).decode().splitlines()[1:]
    kinds = {kinds: sum(_FLAGS[kind] for kind in kinds) for kinds in "f s w fs fw sw fsw".split()}
    return {word: kinds[what] for word, what in (row.split(" ") for row in rows)}


@lru_cache(maxsize=65536)
def flags(word: str) -> int:
    """Say what a word can be: FIRST, SURNAME and WORD, added; 0 for an unknown one.

    A hyphenated word is what its parts have in common, where it isn't listed itself.
    """
    word = plain(word)
    found = _list().get(word)
    if found is None and "-" in word:
        found = -1
        for part in word.split("-"):
            found &= _list().get(part, 0)
    return found or 0
