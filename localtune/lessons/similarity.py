"""How near a question comes to the exam: ROUGE-L over words (Lin 2004, W04-1013 of the ACL)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

NEAR = 0.75  # from this ROUGE-L on, two questions count as the same


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


class Exam:
    """The questions of an exam, to hold others against."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._asked = [words(question) for question in questions]
        self._holding: dict[str, set[int]] = defaultdict(set)
        for i, asked in enumerate(self._asked):
            for word in asked:
                self._holding[word].add(i)

    def is_near(self, question: str) -> bool:
        """Whether a question holds, equals or nearly equals one of the exam's."""
        asked = words(question)
        shared = Counter(i for word in set(asked) for i in self._holding[word])
        return any(self._is_near(asked, self._asked[i], n) for i, n in shared.items())

    def _is_near(self, asked: list[str], kept: list[str], shared: int) -> bool:
        if shared < len(set(kept)) / 2:  # neither holds it nor comes near it
            return False
        inside = f" {' '.join(kept)} " in f" {' '.join(asked)} "
        return inside or rouge_l(asked, kept) >= NEAR
