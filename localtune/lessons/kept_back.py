"""The questions that no lesson may ask: those of the exam, and validation questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localtune.lessons.agreement import agrees
from localtune.lessons.similarity import ExamQuestions
from localtune.workspace import read_jsonl


class KeptBack:
    """Several lists of questions, each held against on its own: rarity is counted in one list.

    A row has "question", and "answers" where they are known.
    """

    def __init__(self, *lists: Iterable[Mapping[str, Any]]) -> None:
        self._lists = [_List(list(rows)) for rows in lists]

    def is_near(self, question: str, answer: str = "") -> bool:
        """Whether a question comes near one of any list's.

        One with another answer, if both are known, asks something else: "What does the large card
        cost?" is not "What does the small card cost?".
        """
        return any(one.is_near(question, answer) for one in self._lists)


class _List:
    """One list of questions with their answers."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._questions = ExamQuestions(row["question"] for row in rows)
        self._answers = [row.get("answers", ()) for row in rows]

    def is_near(self, question: str, answer: str) -> bool:
        """Whether a question comes near one of these, unless the answers differ."""
        return any(self._is_same(i, answer) for i in self._questions.near(question))

    def _is_same(self, i: int, answer: str) -> bool:
        known = self._answers[i]
        return not (known and answer) or any(agrees(answer, other) for other in known)


def kept_from_lessons(exam: Path, development: Iterable[Mapping[str, Any]]) -> KeptBack:
    """Return all questions that no lesson may come near."""
    return KeptBack(read_jsonl(exam), development)
