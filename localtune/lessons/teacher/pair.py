"""A question with its answer, and the section that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from localtune.lessons.teacher.sections import Section


@dataclass(frozen=True)
class Judged:
    """A question with its answer, and the statement of the section that is shown with it."""

    section: Section
    question: str
    answer: str
    statement: str = ""


@dataclass(frozen=True)
class Pair:
    """A question and its answer; `style` is the request that it comes from."""

    section: str  # its id
    style: str
    question: str
    answer: str
