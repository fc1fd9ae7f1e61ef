"""What `localtune lessons` and `localtune exam` show: a build's own files, to be read by a person.

Takes a build, gives rows: lessons that fit a filter, exam questions with what was said to them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from localtune.build.open_build import open_build
from localtune.corpus.split.passages import count_tokens
from localtune.errors import InputError
from localtune.evaluation.recall import read_exam
from localtune.workspace import read_json, read_jsonl

Row = dict[str, Any]


@dataclass(frozen=True)
class LessonMatches:
    """The lessons that fit: how many in all, (lessons, tokens) by kind and document, the rows."""

    all: int
    kinds: dict[str, tuple[int, int]]
    documents: dict[str, tuple[int, int]]
    rows: list[Row]


def lessons_of(folder: Path, kind: str = "", document: str = "", search: str = "") -> LessonMatches:
    """Return the lessons of a build that are of a kind, about a document and hold a text.

    Letter case doesn't count; part of a document's name will do. Raises InputError where the build
    has no lessons, and for a kind that none of them is of.
    """
    file = open_build(folder).at.lessons
    if not file.is_file():
        raise InputError(f"{file} isn't there.", "Run `localtune build` to the lessons' end.")
    return _fitting(list(read_jsonl(file)), kind, document, search)


def dropped_of(folder: Path, kind: str = "", document: str = "", search: str = "") -> LessonMatches:
    """Return the questions that a model wrote and that were dropped; the kind is the reason.

    Raises InputError as `lessons_of` does.
    """
    file = open_build(folder).at.dropped
    if not file.is_file():
        raise InputError(f"{file} isn't there.", "Run `localtune build` to the lessons' end.")
    roles = (("user", "question"), ("assistant", "answer"))
    every = [
        {
            "kind": row["reason"],
            "document": row["document"],
            "messages": [{"role": role, "content": row[key]} for role, key in roles],
        }
        for row in read_jsonl(file)
    ]
    return _fitting(every, kind, document, search)


def _fitting(every: list[Row], kind: str, document: str, search: str) -> LessonMatches:
    known = dict.fromkeys(row["kind"] for row in every)
    if kind and kind not in known:
        raise InputError(f"No lesson is of the kind {kind!r}.", f"Kinds: {', '.join(known)}.")
    rows = [
        row
        for row in every
        if kind in ("", row["kind"])
        and document.lower() in row["document"].lower()
        and search.lower() in text_of(row).lower()
    ]
    return LessonMatches(len(every), _sums(rows, "kind"), _sums(rows, "document"), rows)


def sample(rows: list[Row], number: int, seed: int) -> list[Row]:
    """Draw so many rows, the same ones for the same seed; all of them where there are no more."""
    return Random(seed).sample(rows, min(number, len(rows)))


def text_of(row: Row) -> str:
    """Return everything that a lesson says, a line each."""
    return (
        "\n".join(said["content"] for said in row["messages"]) if "messages" in row else row["text"]
    )


def _sums(rows: list[Row], key: str) -> dict[str, tuple[int, int]]:
    """Count lessons and tokens by a key, the largest first; a conversation counts under each."""
    lessons, tokens = Counter[str](), Counter[str]()
    for row in rows:
        # A conversation may be about several documents.
        for name in row[key].split(", ") if key == "document" else [row[key]]:
            lessons[name] += 1
            tokens[name] += count_tokens(text_of(row))
    return {name: (n, tokens[name]) for name, n in lessons.most_common()}


def exam_of(folder: Path, level: str = "") -> tuple[str, list[Row]]:
    """Return the level whose answers are shown, "" for none, and the questions of a build's exam.

    A question that was asked since it was last changed has `said` and `correct`. Raises InputError
    where there is no exam, and where a level that was named was not graded.
    """
    build = open_build(folder)
    at = build.at
    if not at.exam.is_file():
        raise InputError(f"{at.exam} isn't there.", "Run `localtune build` to the exam's end.")
    rows = read_exam(at.exam)
    graded = [one for one in ([level] if level else build.levels) if at.grade(one).is_file()]
    if level and not graded:
        raise InputError(
            f"{level} was not asked the exam in {at.folder}.",
            f"Ask it with `localtune evaluate {at.folder} --level {level}`.",
        )
    answers = read_json(at.grade(graded[0]))["answers"] if graded else []
    said = {(row["question"], *row["answers"]): row for row in answers}
    keys = [(row["question"], *row["answers"]) for row in rows]
    kept = ("said", "correct")
    shown = [
        {**row, **{name: said[key][name] for name in kept if key in said}}
        for row, key in zip(rows, keys, strict=True)
    ]
    return (graded[0] if graded else ""), shown
