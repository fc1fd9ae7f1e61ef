"""How alike two questions are: ROUGE-L over their words (Lin 2004, aclanthology.org/W04-1013)."""

from __future__ import annotations

import re

TOO_SIMILAR = 0.75


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


def too_similar(question: list[str], exam: list[list[str]]) -> bool:
    """Whether a question holds, equals or nearly equals one of the exam's (word lists)."""
    for asked in exam:
        shorter, longer = sorted((len(question), len(asked)))
        if 2 * shorter / max(1, shorter + longer) >= TOO_SIMILAR and rouge_l(question, asked) >= TOO_SIMILAR:
            return True
        if f" {' '.join(asked)} " in f" {' '.join(question)} ":
            return True
    return False
