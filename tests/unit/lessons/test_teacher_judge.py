"""lessons/teacher/judge.py: limits out of pairs that are known to be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scripted_writer import Heard, ScriptedWriter

from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.judge import (
    is_right_answer,
    is_same_question,
    judge_of_answers,
    other_questions,
    wrong_answers,
)
from localtune.lessons.teacher.pair import Judged
from localtune.lessons.teacher.requests import Ask, Asker
from localtune.lessons.teacher.sections import Section
from localtune.llama.writing import Completion, UnusableError
from localtune.progress import Silent

SECTION = Section("s", "a.md", "p", "Yard", (), "")
PLACES = [f"place{chr(97 + i)}" for i in range(20)]
PAIRS = [Judged(SECTION, f"Who keeps {p}?", f"warden{p[5]}", f"{p}: kept") for p in PLACES]


class Likely(ScriptedWriter):
    """Says yes with a probability: a high one for right answers, whatever it leans to."""

    def __init__(self, lean: float, right: float = 2.0) -> None:
        super().__init__()
        self.lean, self.right = lean, right

    def write(self, messages, **options) -> Completion:  # type: ignore[no-untyped-def]
        prompt = messages[-1]["content"]
        self.asked.append((prompt, options))
        question, _, answer = prompt.partition("\nAnswer: ")
        is_right = f"place{answer[-1]}" in question.partition("\nQuestion: ")[2]
        margin = self.lean + (self.right if is_right else -2.0)
        no = -math.log1p(math.exp(margin))
        return Completion("yes", False, ((" Yes", margin + no), ("no", no)))


def asker(writer: ScriptedWriter, folder: Path, progress: Silent = Silent()) -> Asker:
    return Asker(writer, Ledger(folder / "ledger.jsonl"), progress)


@pytest.mark.parametrize("lean", [-5.0, 0.0, 5.0])
def test_the_limit_follows_what_the_writer_leans_to(lean: float, tmp_path: Path) -> None:
    writer = Likely(lean)
    judge = judge_of_answers(asker(writer, tmp_path))
    right = [is_right_answer(pair) for pair in PAIRS]
    judge.calibrate(lambda: wrong_answers(PAIRS), right)
    assert judge.rejects(right) == [False] * len(right)
    wrong = wrong_answers(PAIRS)
    assert sum(judge.rejects(wrong)) >= 0.9 * len(wrong)
    assert all(options["top"] > 1 and options["max_tokens"] == 1 for _, options in writer.asked)


def test_what_cannot_tell_right_from_wrong_rejects_nothing_and_is_reported(tmp_path: Path) -> None:
    heard = Heard()
    judge = judge_of_answers(asker(Likely(0.0, right=-2.0), tmp_path, heard))
    asks = [is_right_answer(pair) for pair in PAIRS]
    judge.calibrate(lambda: wrong_answers(PAIRS), asks)
    assert judge.rejects(asks) == [False] * len(asks)
    assert len(heard.warned) == 1 and "right answer" in heard.warned[0]


def test_the_limit_stays_when_documents_change(tmp_path: Path) -> None:
    first = judge_of_answers(asker(Likely(0.0), tmp_path))
    right = [is_right_answer(pair) for pair in PAIRS]
    first.calibrate(lambda: wrong_answers(PAIRS), right)
    other = Likely(0.0, right=-2.0)  # by these answers it could not judge
    again = judge_of_answers(asker(other, tmp_path))
    again.calibrate(lambda: wrong_answers(PAIRS), right)
    assert not other.asked and again.rejects(right) == [False] * len(right)
    assert sum(again.rejects(wrong_answers(PAIRS))) >= 0.9 * len(PAIRS)


def test_too_few_pairs_give_no_limit(tmp_path: Path) -> None:
    writer = Likely(0.0)
    judge = judge_of_answers(asker(writer, tmp_path))
    few = [is_right_answer(pair) for pair in PAIRS[:5]]
    judge.calibrate(lambda: wrong_answers(PAIRS[:5]), few)
    assert not writer.asked and judge.rejects(few) == [False] * 5


def test_wrong_answers_are_those_of_other_questions_about_the_same_section() -> None:
    elsewhere = Judged(Section("t", "b.md", "p", "Mill", (), ""), "Who mills?", "A miller")
    asks = wrong_answers([*PAIRS, elsewhere])
    assert len(asks) == len(PAIRS)
    for ask in asks:
        parts = dict(ask.parts)
        place = f"place{parts['answer'][-1]}"
        assert place not in parts["question"] and parts["statement"].startswith(place)


def test_other_questions_are_similar_and_have_another_answer() -> None:
    fees = [
        Judged(SECTION, "What does a mooring cost?", "85 euros"),
        Judged(SECTION, "How much is a mooring?", "85 euros"),
        Judged(SECTION, "What does a crane cost?", "20 euros"),
        Judged(SECTION, "Who sweeps?", "Okafor"),
    ]
    asks = {dict(ask.parts)["first"]: dict(ask.parts)["second"] for ask in other_questions(fees)}
    assert asks["What does a mooring cost?"] == "What does a crane cost?"


class Plain(ScriptedWriter):
    """A server that tells no probabilities."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def write(self, messages, **options) -> Completion:  # type: ignore[no-untyped-def]
        if not self.text:
            raise UnusableError("nothing")
        return Completion(self.text, False)


@pytest.mark.parametrize(
    ("text", "sign"), [("Yes", 1), ("yes.", 1), ("No, it", -1), ("Perhaps", 0), ("", 0)]
)
def test_without_probabilities_the_word_counts(text: str, sign: int, tmp_path: Path) -> None:
    ask: Ask = is_same_question(PAIRS[0], "Who has the keys?")
    (margin,) = asker(Plain(text), tmp_path).margins([ask], "pairs judged")
    assert (margin > 1) - (margin < -1) == sign
