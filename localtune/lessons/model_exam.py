"""passages.jsonl -> exam.jsonl, written by a model before any lesson, in another prompt and form.

Each passage that is drawn gives up to five questions: direct, paraphrase, reverse, multi-fact, and
one that nothing answers. An answer must stand in the passage, word for word, and two of up to three
samples with the passage in view must say it. What the base answers without the passage goes to a
second list: it can't show that anything was learned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from localtune.config import ExamConfig
from localtune.lessons.each import Job, write_each
from localtune.lessons.facts import id_of
from localtune.lessons.grounding import REFUSALS, askable, declines
from localtune.lessons.ledger import Ledger, key_of
from localtune.lessons.model_lessons import NotUsableError
from localtune.lessons.requests import REQUESTS, VERSION, an_object, ask, seed_of, text
from localtune.lessons.requests import where as where_of
from localtune.lessons.similarity import Exam, words
from localtune.lessons.written import is_invented
from localtune.progress import Progress
from localtune.workspace import read_jsonl, write_jsonl
from localtune.writing import Schema, UnusableError, Writer

Row = dict[str, Any]
Knows = Callable[[str, list[str]], bool]
KINDS = ("direct", "paraphrase", "reverse", "multi_fact")
SAMPLES, AGREE = 3, 2
LONGEST = 8  # words of an answer
FEWEST = 4  # questions; with fewer an exam says nothing
PER_PASSAGE = 3  # questions that a passage is expected to give
TURNED = 12  # passages after which a writer without one usable question is stopped


@dataclass(frozen=True)
class Examined:
    """Where a written exam comes from and goes to; `known` is the second list."""

    passages: Path
    exam: Path
    known: Path
    ledger: Path


def write_exam_with(
    writer: Writer, knows: Knows, files: Examined, config: ExamConfig, progress: Progress
) -> int:
    """Write at most `config.questions` questions and return their number.

    `knows` says whether the base gives one of the accepted answers to a question by itself. Raises
    NotUsableError where fewer than FEWEST remain, and what the writer raises.
    """
    rows = list(read_jsonl(files.passages))
    ledger, chosen, known = Ledger(files.ledger), list[Row](), list[Row]()
    every = [
        (key_of(row, "exam", VERSION, writer.identity), row) for row in _in_turn(rows, config.seed)
    ]
    jobs = every
    while jobs and len(chosen) < config.questions:
        number = ceil((config.questions - len(chosen)) / PER_PASSAGE)
        part, jobs = jobs[:number], jobs[number:]
        _write(part, writer, ledger, progress)
        made = [question for key, row in part for question in _rows(row, ledger.rows.get(key, {}))]
        for row in _apart(made, [*chosen, *known]):
            asked = row["kind"] != "unanswerable" and knows(row["question"], row["answers"])
            (known if asked else chosen).append(row)
        if not chosen and not known and len(ledger.rows) >= TURNED:
            break
    ledger.keep(key for key, _ in every)
    if len(chosen) < FEWEST:
        raise NotUsableError(
            f"Of what {writer.identity} wrote for the exam {len(chosen)} questions can be used.",
            "Choose a larger base or another --teacher, or --lessons structure.",
        )
    write_jsonl(files.known, known)
    write_jsonl(files.exam, chosen[: config.questions])
    _tell(chosen[: config.questions], known, progress)
    return min(len(chosen), config.questions)


def _tell(chosen: list[Row], known: list[Row], progress: Progress) -> None:
    documents = len({row["document"] for row in chosen})
    progress.note(f"{len(chosen)} exam questions about {documents} documents")
    if known:
        progress.note(
            f"{len(known)} more are answered by the base already; they are in exam-known.jsonl"
        )


def _in_turn(rows: list[Row], seed: int) -> list[Row]:
    """Take turns among the documents, in a seeded order."""
    by_document: dict[str, list[Row]] = defaultdict(list)
    for row in Random(seed).sample(rows, len(rows)):
        by_document[row["document"]].append(row)
    longest = max(map(len, by_document.values()), default=0)
    turns = (parts[turn : turn + 1] for turn in range(longest) for parts in by_document.values())
    return [row for part in turns for row in part]


def _write(jobs: list[Job], writer: Writer, ledger: Ledger, progress: Progress) -> None:
    def make(row: Row) -> Row:
        return {"items": list(_items(row, writer)), "unanswerable": _unanswerable(row, writer)}

    write_each(jobs, make, ledger, writer.parallel, progress)


def _items(passage: Row, writer: Writer) -> Iterator[Row]:
    """Yield the questions about a passage whose answer stands there and is said again."""
    item = an_object(question=text(), answer=text(80))
    asked = _asked(writer, passage, "items", an_object(**dict.fromkeys(KINDS, item)))
    whole = f"{where_of(passage)}\n\n{passage['text']}"
    for kind in KINDS if asked else ():
        question, answer = (" ".join(asked[kind][part].split()) for part in ("question", "answer"))
        answer = answer.rstrip(".")
        usable = askable(question, whole) and _short(answer, question, whole)
        if usable and _confirmed(writer, passage, question, answer):
            yield {"kind": kind.replace("_", "-"), "question": question, "answer": answer}


def _short(answer: str, question: str, passage: str) -> bool:
    """Whether an answer is a detail that stands in the passage, and not in its question."""
    said = words(answer)
    inside = f" {' '.join(said)} "
    apart = inside not in f" {' '.join(words(question))} "
    return 0 < len(said) <= LONGEST and apart and inside in f" {' '.join(words(passage))} "


def _confirmed(writer: Writer, passage: Row, question: str, answer: str) -> bool:
    """Whether two of three samples with the passage in view say the answer."""
    said = 0
    for turn in range(SAMPLES):
        made = _asked(writer, passage, "check", an_object(answer=text(120)), turn, question)
        heard = f" {' '.join(words(made.get('answer', '')))} "
        said += f" {' '.join(words(answer))} " in heard
        if said == AGREE or said + SAMPLES - 1 - turn < AGREE:
            break
    return said == AGREE


def _unanswerable(passage: Row, writer: Writer) -> str:
    """Return a question about a name that is made up, "" where there is none."""
    schema = an_object(name=text(60), question=text())
    asked = _asked(writer, passage, "unanswerable", schema)
    question = " ".join(asked.get("question", "").split())
    whole = f"{where_of(passage)}\n\n{passage['text']}"
    good = asked and is_invented(asked["name"], question, whole) and not declines(question)
    return question if good else ""


def _asked(
    writer: Writer, passage: Row, request: str, schema: Schema, turn: int = 0, question: str = ""
) -> Row:
    said = REQUESTS["exam"][request].format(where=where_of(passage), question=question)
    seed, warmth = seed_of(passage["text"], said, str(turn)), 0.7 if turn else 0.0
    try:
        return ask(writer, passage, said, schema, seed=seed, temperature=warmth)
    except UnusableError:
        return {}


def _rows(passage: Row, made: Row) -> Iterator[Row]:
    """Yield the exam's rows about one passage; declining is right where nothing answers."""
    items = [(item["kind"], item["question"], [item["answer"]]) for item in made.get("items", [])]
    if made.get("unanswerable") and items:
        items.append(("unanswerable", made["unanswerable"], list(REFUSALS)))
    for kind, question, answers in items:
        yield {
            "id": id_of(passage["id"], question),
            "question": question,
            "answers": answers,
            "document": passage["document"],
            "kind": kind,
            "passage": passage["id"],
        }


def _apart(made: list[Row], before: list[Row]) -> Iterator[Row]:
    """Yield the questions that don't ask for the same in nearly the same words as another.

    What is worded alike and has another answer is about another thing.
    """
    asked: dict[str, list[str]] = defaultdict(list)
    for row in before:
        asked[" | ".join(row["answers"])].append(row["question"])
    for row in made:
        same = asked[" | ".join(row["answers"])]
        if not Exam(same).is_near(row["question"]):
            same.append(row["question"])
            yield row
