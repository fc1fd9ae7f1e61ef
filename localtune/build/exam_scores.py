"""Grades of the base and of each level -> the exam's part of scores.json.

What the untuned base answers says nothing about the tuning: such questions make a second list,
`known`, and recall is that of the others.
"""

from __future__ import annotations

from typing import Any

from localtune.evaluation.recall import wilson

Row = dict[str, Any]


def exam_scores(grades: dict[str, Row], levels: tuple[str, ...]) -> Row:
    """Return questions, recall and 95 % intervals; `base` is over all questions that were asked.

    `known` holds the ids that the base answers and how many of them each level still does. Where
    the base answers every question, none is left out: there would be no exam.
    """
    answers = {which: graded["answers"] for which, graded in grades.items()}
    known = [row["id"] for row in answers["base"] if row["correct"]]
    known = [] if len(known) == len(answers["base"]) else known
    right = {level: _right(answers[level], set(known)) for level in levels}
    number = len(answers["base"]) - len(known)
    intervals = {level: list(wilson(right[level][0], number)) for level in levels}
    return {
        "questions": number,
        "base": grades["base"]["recall"],
        "tuned": {level: right[level][0] / number for level in levels},
        "intervals": {"base": grades["base"]["interval"], **intervals},
        "known": {"ids": known, "tuned": {level: right[level][1] for level in levels}},
    }


def told_of_known(exam: Row, level: str) -> str:
    """Say how many questions the base answered by itself and what became of them; "" for none."""
    known = exam.get("known", {"ids": []})
    if not known["ids"]:
        return ""
    number = len(known["ids"])
    return (
        f"{number} more {'was' if number == 1 else 'were'} answered by the base already and "
        f"{'does' if number == 1 else 'do'} not count; {known['tuned'][level]} of {number} still "
        f"{'is' if number == 1 else 'are'}"
    )


def _right(rows: list[Row], known: set[str]) -> tuple[int, int]:
    """Count the right answers to other questions, and to those the base knew."""
    others = sum(row["correct"] for row in rows if row["id"] not in known)
    return others, sum(row["correct"] for row in rows if row["id"] in known)
