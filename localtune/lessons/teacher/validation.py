"""Pairs set aside as validation questions: of facts that enough other pairs ask about."""

from __future__ import annotations

from random import Random
from typing import Any

from localtune.lessons.facts import id_of
from localtune.lessons.kept_back import KeptBack
from localtune.lessons.similarity import words
from localtune.lessons.teacher.collection import PairCollection
from localtune.lessons.teacher.pair import Pair

VALIDATION_QUESTIONS, MIN_VALIDATION_QUESTIONS = 40, 20
MIN_OTHER_PAIRS = 3  # about the same fact, so that it is still learned
MAX_ANSWER_WORDS = 6  # all of them must be said


def set_aside(written: PairCollection, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs for the lessons, and those for validation, of which no lesson is a wording.

    None is set aside where fewer than MIN_VALIDATION_QUESTIONS can be.
    """
    r = Random(seed)
    chosen: dict[Pair, None] = {}
    for fact in r.sample(written.all_facts(), len(written.all_facts())):
        about = [pair for pair in written.about(fact) if pair not in chosen]
        short = [pair for pair in about if len(words(pair.answer)) <= MAX_ANSWER_WORDS]
        if short and len(about) > MIN_OTHER_PAIRS and len(chosen) < VALIDATION_QUESTIONS:
            chosen[r.choice(short)] = None
    if len(chosen) < MIN_VALIDATION_QUESTIONS:
        return written.kept, []
    held = KeptBack({"question": pair.question, "answers": [pair.answer]} for pair in chosen)
    pairs = [pair for pair in written.kept if not held.is_near(pair.question, pair.answer)]
    return pairs, list(chosen)


def row_of(pair: Pair, document: str) -> dict[str, Any]:
    """Return a validation question as a row, as those of an exam."""
    key, answers = id_of("validation", pair.question), [pair.answer]
    return {"id": key, "question": pair.question, "answers": answers, "document": document}
