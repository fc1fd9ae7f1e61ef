"""Lessons and what a training step takes -> what the stage `targets` takes: one forward pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localtune.estimate.measured import Estimate

Row = dict[str, Any]
FORWARD = 0.5  # of a step's operations (shape.Shape.step_flops)
BAND = 1.0


def soft_targets(
    lessons: Iterable[Row],
    tokens: int,
    step: float,
    step_tokens: int,
    around: float,
) -> list[Estimate]:
    """Return the stage's estimate; none where no lesson asks for soft targets.

    `tokens` are those of all lessons; a `step` of `step_tokens` takes so many seconds, and `around`
    loads the base.
    """
    sizes = [(_size(row), row.get("targets") is not None) for row in lessons]
    asked = sum(size for size, asks in sizes if asks)
    read = tokens * asked / max(1, sum(size for size, _ in sizes))
    seconds = FORWARD * step * read / step_tokens + around
    return [Estimate("targets", seconds, BAND)] if read else []


def _size(lesson: Row) -> int:
    said = lesson.get("messages") or [{"content": lesson.get("text", "")}]
    return sum(len(message["content"]) for message in said)
