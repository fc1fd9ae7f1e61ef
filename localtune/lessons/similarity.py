"""How near a question comes to the exam, so that no lesson gives its questions away.

Three measures, each over the words or letters of two questions: ROUGE-L (Lin 2004, W04-1013 of the
ACL), the cosine of their words' counts, and that of their trigrams of letters, weighted by rarity.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

NEAR = 0.7  # from this ROUGE-L on, two questions count as the same
COSINE = 0.9  # and from this cosine of their words on
# Rarity is counted in the exam alone. By counts over lessons and exam the same cosine comes out up
# to 0.12 higher, so that this limit keeps it below COSINE too.
LETTERS = 0.75


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


def rouge_l(a: list[str], b: list[str]) -> float:
    """F1 of the longest common subsequence of two word lists; 0 where one is empty."""
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for x in a:
        previous = 0
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], previous + 1 if x == y else max(row[j], row[j - 1])
    return 2 * row[-1] / (len(a) + len(b))


class ExamQuestions:
    """The questions of an exam, to hold others against."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._asked = [words(question) for question in questions]
        self._lengths = np.array([len(asked) for asked in self._asked], dtype=np.float32)
        self._words = _Index([Counter(asked) for asked in self._asked])
        letters = [Counter(_trigrams(asked)) for asked in self._asked]
        held = Counter(gram for grams in letters for gram in grams)
        self._rarity = {gram: _rarity(len(letters), n) for gram, n in held.items()}
        self._unknown = _rarity(len(letters), 0)
        self._letters = _Index([self._weighed(grams) for grams in letters])

    def is_near(self, question: str) -> bool:
        """Whether a question holds, equals or nearly equals one of the exam's."""
        return any(True for _ in self.near(question))

    def near(self, question: str) -> Iterator[int]:
        """Yield the places of all questions that one comes near, its own among them; some twice."""
        asked = words(question)
        if not asked or not self._asked:
            return
        shared, cosine = self._words.compare(Counter(asked))
        yield from np.flatnonzero(cosine >= COSINE).tolist()
        # No common subsequence is longer than the words both hold.
        likely = (2 * shared >= NEAR * (len(asked) + self._lengths)) | (shared >= self._lengths)
        yield from (i for i in np.flatnonzero(likely).tolist() if _same(asked, self._asked[i]))
        _, cosine = self._letters.compare(self._weighed(Counter(_trigrams(asked))))
        yield from np.flatnonzero(cosine >= LETTERS).tolist()

    def _weighed(self, grams: Mapping[str, int]) -> dict[str, float]:
        return {gram: n * self._rarity.get(gram, self._unknown) for gram, n in grams.items()}


class _Index:
    """Sparse vectors, found by what they hold."""

    def __init__(self, rows: list[Mapping[str, float]]) -> None:
        self._norms = np.array([_norm(row) or 1.0 for row in rows], dtype=np.float32)
        holding: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for i, row in enumerate(rows):
            for key, weight in row.items():
                holding[key].append((i, weight))
        self._holding = {
            key: (np.array([i for i, _ in held]), np.array([w for _, w in held]))
            for key, held in holding.items()
        }

    def compare(self, row: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return the inner product and the cosine of a vector with each of these."""
        keys = [key for key in row if key in self._holding]
        if not keys:
            return np.zeros(len(self._norms)), np.zeros(len(self._norms))
        held = [self._holding[key] for key in keys]
        ours = np.repeat([row[key] for key in keys], [len(which) for which, _ in held])
        weights = np.concatenate([weights for _, weights in held]) * ours
        which = np.concatenate([which for which, _ in held])
        product = np.bincount(which, weights, minlength=len(self._norms))
        return product, product / (self._norms * _norm(row))


def _same(asked: list[str], kept: list[str]) -> bool:
    inside = f" {' '.join(kept)} " in f" {' '.join(asked)} "
    return inside or rouge_l(asked, kept) >= NEAR


def _trigrams(asked: list[str]) -> list[str]:
    text = f" {' '.join(asked)} "
    return [text[i : i + 3] for i in range(len(text) - 2)]


def _rarity(questions: int, holding: int) -> float:
    """The smoothed inverse document frequency of scikit-learn's TfidfVectorizer."""
    return math.log((1 + questions) / (1 + holding)) + 1


def _norm(row: Mapping[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in row.values()))
