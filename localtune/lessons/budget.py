"""How many of the base's own answers to general prompts are mixed into the lessons."""

from __future__ import annotations

from math import ceil

EFFORTS = ("quick", "normal", "max")
REPLAY = {"quick": (500, 0.10), "normal": (1000, 0.25), "max": (1750, 0.50)}  # most; share
LEAST_REPLAY = 500  # prompts; fewer show too little of what the base can do


def replayed(lessons: int, effort: str) -> int:
    """Return how many replayed prompts go beside so many lessons: their share of the whole.

    At least LEAST_REPLAY, where they aren't more than half.
    """
    most, share = REPLAY[effort]
    return min(most, max(ceil(lessons * share / (1 - share)), min(LEAST_REPLAY, lessons)))
