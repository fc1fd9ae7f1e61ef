"""Words that are broken at the ends of lines -> whole words. Knows letters only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

_FENCE = re.compile(r"[ >]{0,8}(?:```|~~~)")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_BROKEN = re.compile(r"(?<![^\W_])[^\W\d_]{1,40}-$")
_SUSPENDED = {"und", "oder", "bzw", "and", "or", "et", "ou", "y", "e", "en", "och", "og", "to"}


def unhyphenated(text: str) -> str:
    """Mend words that are broken at line ends: "docu-" and "ment" become "document".

    The hyphen stays where the text has the word with it elsewhere, or has both parts as words and
    not the whole; a break between numbers, in code or in a table stays as it is.
    """
    lines = text.split("\n")
    if not any(_breaks(a, b) for a, b in pairwise(lines)):
        return text
    words = Counter(_words(lines))
    mended = lines[:1]
    fenced = _FENCE.match(lines[0]) is not None
    for line in lines[1:]:
        fenced ^= _FENCE.match(line) is not None
        if fenced or not _breaks(mended[-1], line):
            mended.append(line)
            continue
        word, _, rest = line.strip().partition(" ")
        mended[-1] = _mended(mended[-1], word, words)
        mended += [line[: len(line) - len(line.lstrip())] + rest] if rest else []
    return "\n".join(mended)


def _breaks(before: str, after: str) -> bool:
    after = after.lstrip()
    word = re.match(r"[^\W\d_]+", after)
    if not word or "|" in before or word[0].casefold() in _SUSPENDED or _ITEM.match(after):
        return False
    return _BROKEN.search(before[-50:]) is not None


def _words(lines: list[str]) -> Iterator[str]:
    """Yield every word but those at a break; of a compound the whole only."""
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.casefold())
        yield from words[_breaks(before, line) : len(words) - _breaks(line, after)]


def _mended(line: str, word: str, words: Counter[str]) -> str:
    found = _BROKEN.search(line[-50:])
    left = found[0][:-1].casefold() if found else ""
    right = re.split(r"[^\w]", word.casefold(), maxsplit=1)[0]
    whole, compound = words[left + right], words[f"{left}-{right}"]
    capital = word[0].isupper() and not left.isupper() and not line[-2].isupper()
    apart = capital or compound > whole or (not whole and words[left] and words[right])
    return (line if apart or line[: -len(left) - 1].endswith("-") else line[:-1]) + word
