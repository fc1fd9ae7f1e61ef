"""Facts -> development.jsonl: questions that no lesson comes near, asked while a model is trained.

They are what the exam's questions are, a whole question with short answers, but other ones. Which
checkpoint is taken depends on them, so that the exam must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from localtune.lessons.facts import Fact
from localtune.lessons.rules.exam import Pair, apart_from_others, askable, row_of, spread
from localtune.lessons.similarity import ExamQuestions
from localtune.progress import Progress
from localtune.workspace import read_jsonl, write_jsonl

QUESTIONS, FEWEST = 48, 20  # facts that are asked; with fewer a share says too little


def set_aside(
    facts: list[Fact], common: frozenset[str], exam: Path, chats: Path | None, seed: int
) -> list[dict[str, Any]]:
    """Return rows as those of an exam, one each of QUESTIONS facts; none where FEWEST can't be had.

    None comes near the exam, a question about another fact (which then couldn't be asked in the
    lessons), or one that a person's chats hold (which stay as they were brought).
    """
    kept_back = ExamQuestions(row["question"] for row in read_jsonl(exam))
    chosen = _chosen(askable(facts, common), kept_back, Random(seed))
    asked = ExamQuestions(question.text for _, question in chosen)
    held = {i for question in _asked_in(chats) for i in asked.near(question)}
    rows = [row_of(*pair) for i, pair in enumerate(chosen) if i not in held]
    return rows if len(rows) >= FEWEST else []


def _chosen(asked: list[Pair], kept_back: ExamQuestions, r: Random) -> list[Pair]:
    stands_apart, chosen = apart_from_others(asked), dict[str, Pair]()
    for fact, question in spread(asked, len(asked), r):
        if fact.id in chosen or kept_back.is_near(question.text):
            continue
        if stands_apart((fact, question)):
            chosen[fact.id] = (fact, question)
        if len(chosen) == QUESTIONS:
            break
    return list(chosen.values())


def _asked_in(chats: Path | None) -> Iterator[str]:
    for row in read_jsonl(chats) if chats else ():
        yield from (said["content"] for said in row["messages"] if said["role"] == "user")


def write_development(out: Path, aside: list[dict[str, Any]], progress: Progress) -> None:
    """Write the questions that were set aside, none or FEWEST and more, and say how many."""
    write_jsonl(out, aside)
    if aside:
        progress.note(f"{len(aside)} questions are set aside, to follow the training by")
