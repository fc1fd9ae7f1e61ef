"""What the base knew already doesn't count as learned."""

from __future__ import annotations

from typing import Any

import pytest

from localtune.build.exam_scores import exam_scores, told_of_known
from localtune.evaluation.recall import wilson


def graded(right: str) -> dict[str, Any]:
    """Make a grade whose questions are answered as a row of 0 and 1 says."""
    rows = [{"id": str(n), "correct": digit == "1"} for n, digit in enumerate(right)]
    share = right.count("1") / len(right)
    return {
        "recall": share,
        "interval": list(wilson(right.count("1"), len(right))),
        "answers": rows,
    }


def test_without_known_questions_every_one_counts() -> None:
    exam = exam_scores({"base": graded("0000"), "Q4_K_M": graded("1101")}, ("Q4_K_M",))
    assert exam["questions"] == 4 and exam["base"] == 0 and exam["tuned"] == {"Q4_K_M": 0.75}
    assert exam["intervals"]["Q4_K_M"] == list(wilson(3, 4))
    assert told_of_known(exam, "Q4_K_M") == ""


def test_known_questions_make_a_list_of_their_own() -> None:
    grades = {"base": graded("11000"), "Q8_0": graded("10110"), "Q4_K_M": graded("11100")}
    exam = exam_scores(grades, ("Q8_0", "Q4_K_M"))
    assert exam["questions"] == 3 and exam["base"] == 0.4
    assert exam["tuned"] == pytest.approx({"Q8_0": 2 / 3, "Q4_K_M": 1 / 3})
    assert exam["known"] == {"ids": ["0", "1"], "tuned": {"Q8_0": 1, "Q4_K_M": 2}}
    assert told_of_known(exam, "Q8_0").startswith("2 more were answered by the base already")


def test_a_base_that_knows_all_leaves_an_exam() -> None:
    exam = exam_scores({"base": graded("11"), "Q8_0": graded("10")}, ("Q8_0",))
    assert exam["questions"] == 2 and exam["tuned"] == {"Q8_0": 0.5} and not exam["known"]["ids"]
