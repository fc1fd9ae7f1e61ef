"""Whether two answers to a question say the same."""

from __future__ import annotations

from localtune.lessons.grounding import content, declines

SHARED = 0.5  # of the words of the shorter answer, from which on both say the same


def agrees(first: str, second: str) -> bool:
    """Whether a second answer confirms the first: no other number, and mostly the same words."""
    if declines(second):
        return False
    one, other = set(content(first)), set(content(second))
    if not one or not other:
        return first.strip().lower() == second.strip().lower()
    numbers, others = (_numbers(said) for said in (one, other))
    if numbers and others:
        return numbers <= others or others <= numbers
    return len(one & other) >= SHARED * min(len(one), len(other))


def _numbers(said: set[str]) -> set[str]:
    return {word for word in said if word[0].isdigit()}
