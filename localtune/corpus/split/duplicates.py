"""Texts that say the same as an earlier one: exact and near-duplicates.

Takes texts in their order, gives an index for each; knows nothing of documents or files.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[Any]  # uint64

_SHINGLE = 5  # words
_ROWS, _BANDS, _SEED = 4, 32, 42  # of the MinHash: at J = 0.8 it misses one pair in 10 million
_BATCH = 4096  # texts whose signatures are made at once
_BUCKET = 8  # kept texts that are remembered of one bucket
_CANDIDATES = 16  # kept texts that one text is compared with

# Scripts that write no spaces: each letter counts as a word (Thai to Khmer, kana, ideographs).
_LONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_BETWEEN = r"\s\x00-/:-@\[-`{-~\x7f-\xbf×÷\u2000-\u206f\u2190-\u2bff\u3000-\u303f\uff00-\uff0f"
_PART = f"[^{_BETWEEN}{_LONE}]"
# Possessive and bounded, so that nothing is read twice. A sign counts where it can be no hyphen.
_NUMBER = rf"(?:(?<![^\s(])[-−])?\d++(?:[.,:/'’-]\d++){{0,6}}+[^\W\d_]{{0,2}}+(?!{_PART})"
_TOKEN = re.compile(f"{_NUMBER}|[{_LONE}]|{_PART}++")
_IS_NUMBER = re.compile(r"[-−]?\d+[\d.,:/'’-]*[^\W\d_]{0,2}")


@dataclass(frozen=True)
class _Text:
    """One text as hashes: its word 5-grams, sorted, and the numbers in it."""

    shingles: Hashes
    numbers: Hashes


def representatives(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """Give for each text the index of the text that stands for it: its own where it is kept.

    That index is never a later one, and a text that stands for others stands for itself. The same:
    equal but for case, spaces, punctuation and Markdown marks. Nearly the same: the Jaccard index
    of the word 5-grams is at least `threshold`. MinHash (Broder 1997) with LSH proposes, the exact
    index decides; a pair at J is proposed with probability 1 - (1 - J^4)^32: 1.00 at 0.8, 0.87 at
    0.5. Texts under 5 words are only ever exactly the same.

    Two texts are never nearly the same where each holds a number that the other lacks: the opening
    hours of two branches, or the prices of two years, differ in little else, and that little is
    what a person will ask for. Numbers are 7, 9:30, 1,200, -3.5, 9am, 5 km; not w123.

    Deterministic. Linear: a text is compared with at most 16 kept ones, those that share most
    buckets, of which each remembers 8, so among very many variants of one text some may stay.
    """
    chosen = list(range(len(texts)))
    first: dict[bytes, int] = {}
    near: dict[int, _Text] = {}
    for i, text in enumerate(texts):
        tokens = _TOKEN.findall(text.casefold())
        chosen[i] = first.setdefault(_digest(tokens, text), i)
        if chosen[i] == i and len(tokens) >= _SHINGLE:
            near[i] = _hashed(tokens)
    for later, earlier in _near(near, threshold):
        chosen[later] = earlier
    return [chosen[i] for i in chosen]  # what is exactly the same follows its first


def jaccard(one: str, other: str) -> float:
    """Return the Jaccard index of two texts' word 5-grams, 0 where one has under 5 words."""
    a, b = (_TOKEN.findall(text.casefold()) for text in (one, other))
    if min(len(a), len(b)) < _SHINGLE:
        return 0.0
    return _jaccard(set(_hashed(a).shingles.tolist()), _hashed(b).shingles)


def _digest(tokens: list[str], text: str) -> bytes:
    # A text of nothing but marks has no words, and is the same only where it is the very same.
    content = " ".join(tokens) if tokens else "\0" + text.strip()
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _hashed(tokens: list[str]) -> _Text:
    """Hash each run of 5 words; a sum of hashes, each times its own factor, is one such hash."""
    import numpy as np

    words = _word_hashes(tokens)
    count = len(words) - _SHINGLE + 1
    shingles = np.zeros(count, np.uint64)
    for k in range(_SHINGLE):
        shingles += words[k : k + count] * np.uint64(pow(0x9E3779B97F4A7C15, 2 * k + 1, 1 << 64))
    shingles ^= shingles >> np.uint64(29)
    shingles *= np.uint64(0xBF58476D1CE4E5B9)
    shingles ^= shingles >> np.uint64(32)
    begun = {token for token in tokens if token[0].isdecimal() or token[0] in "-−"}
    numbers = sorted(token for token in begun if _IS_NUMBER.fullmatch(token))
    return _Text(np.unique(shingles), _word_hashes(numbers))


def _word_hashes(words: list[str]) -> Hashes:
    import numpy as np
    from rensa import RMinHash  # type: ignore[import-not-found, import-untyped, unused-ignore]

    hashes = np.array(RMinHash.hash_token_sets([words])[0], np.uint64)
    hashes ^= hashes >> np.uint64(31)  # Fx hashes are weak in their low bits
    hashes *= np.uint64(0x94D049BB133111EB)
    return hashes


def _near(texts: dict[int, _Text], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield (text, kept earlier text) for near-duplicates; buckets hold kept texts only."""
    buckets: defaultdict[int, list[int]] = defaultdict(list)
    for i, keys in zip(texts, _shared_buckets(list(texts.values())), strict=True):
        if not keys:
            continue
        met = Counter(j for key in keys for j in buckets[key])
        stands = _best(texts, i, met, threshold) if met else i
        if stands != i:
            yield i, stands
            continue
        for key in keys:
            if len(buckets[key]) < _BUCKET:
                buckets[key].append(i)


def _best(texts: dict[int, _Text], i: int, met: Counter[int], threshold: float) -> int:
    """Return the first text, of those met most often, that is nearly text `i`; else `i`."""
    mine = set(texts[i].shingles.tolist())
    numbers = set(texts[i].numbers.tolist())
    for j, _ in met.most_common(_CANDIDATES):
        theirs = set(texts[j].numbers.tolist())
        if numbers - theirs and theirs - numbers:
            continue
        if _jaccard(mine, texts[j].shingles) >= threshold:
            return j
    return i


def _jaccard(mine: set[int], theirs: Hashes) -> float:
    shared = len(mine.intersection(theirs.tolist()))
    return shared / (len(mine) + len(theirs) - shared)


def _shared_buckets(texts: list[_Text]) -> Iterator[list[int]]:
    """Yield for each text the numbers of those buckets that hold another text too.

    Each band gives two: one for all texts, one for those with the same numbers. In a thousand
    forms that differ in their numbers the first overflows, and the second still finds the twin.
    """
    import numpy as np

    if not texts:
        return
    bands = _bands([text.shingles for text in texts])
    numbers = np.array([text.numbers.sum(dtype=np.uint64) for text in texts])
    table = np.full((len(texts), 2 * _BANDS), -1, np.int64)
    for column in range(2 * _BANDS):
        keys = bands[:, column % _BANDS] + (numbers if column >= _BANDS else np.uint64(0))
        _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
        table[:, column] = np.where(size[group] > 1, group * (2 * _BANDS) + column, -1)
    for row in table:
        yield row[row >= 0].tolist()


def _bands(shingles: list[Hashes]) -> Hashes:
    """Return one hash for each text and band: the band's 4 of the text's 128 minima."""
    import numpy as np
    from rensa import RMinHash

    minima = np.empty((len(shingles), _BANDS * _ROWS), np.uint32)
    for at in range(0, len(shingles), _BATCH):
        batch = shingles[at : at + _BATCH]
        ends = np.cumsum([0, *map(len, batch)], dtype=np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            np.concatenate(batch), ends, _BANDS * _ROWS, _SEED
        )
        minima[at : at + len(batch)] = matrix.to_rows()
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 1], np.uint64)
    hashes: Hashes = (minima.reshape(len(shingles), _BANDS, _ROWS) * factors).sum(axis=2)
    return hashes
