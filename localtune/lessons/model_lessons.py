"""passages + exam -> lessons.jsonl, development.jsonl, by a model (modes `self` and `teacher`).

What the model made of each passage stands in a ledger; here it becomes lessons: without what comes
near the exam or near what is set aside for development, with the base's own answers to general
prompts (replay), and the chats a person brought. A row's "targets" says what its soft targets come
from: the base with the row's passage in view, or the base alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from localtune.config import LessonsConfig
from localtune.errors import LocaltuneError
from localtune.lessons import replay
from localtune.lessons.budget import replayed, share_of
from localtune.lessons.development import kept_from_lessons, set_aside, write_development
from localtune.lessons.each import Job, write_each
from localtune.lessons.facts import common_words, facts_of, id_of
from localtune.lessons.grounding import LONGEST, declines, stands_alone
from localtune.lessons.ledger import Ledger, key_of
from localtune.lessons.requests import LINE, REQUESTS, VERSION, an_object, ask, seed_of, text
from localtune.lessons.similarity import KeptBack
from localtune.lessons.structure import brought, write_rows
from localtune.lessons.written import write_about
from localtune.progress import Progress
from localtune.workspace import read_jsonl
from localtune.writing import UnusableError, Writer

Row = dict[str, Any]
USABLE = 0.05  # share of what was made that must be kept
LOOKED_AT, LAST = 12, 100  # passages after which a writer that keeps nothing is stopped
UNKNOWN = ("I don't know.", "I'm not sure about that.", "I have no information about that.")
STYLES = 4  # ways in which the writer itself is asked to say so


class NotUsableError(LocaltuneError):
    """Too little of what a model wrote could be kept to train on."""


@dataclass(frozen=True)
class Written:
    """Where written lessons come from and go to.

    `base` is what answers general prompts, None for a base that can't; `ledgers` is a folder;
    `development` gets questions that rules make, whose answers are short, None sets none aside.
    """

    passages: Path
    exam: Path
    lessons: Path
    ledgers: Path
    chats: Path | None
    allow: Iterable[str] | None
    system: str
    development: Path | None = None


def write_with(
    writer: Writer, base: Writer | None, files: Written, config: LessonsConfig, progress: Progress
) -> int:
    """Write the lessons in a seeded order and return their number.

    What the ledger holds isn't made again. Raises NotUsableError where too little can be kept, and
    what the writers raise.
    """
    rows = list(read_jsonl(files.passages))
    about = _written(writer, rows, files.ledgers / "lessons.jsonl", config.effort, progress)
    aside = _set_aside(rows, files, config.seed) if files.development else []
    kept_back = kept_from_lessons(files.exam, aside)
    styles = _styles(writer) if any(made["unknown"] for _, made in about) else []
    r = Random(config.seed)
    every = (lesson for row, made in about for lesson in _lessons(row, made, kept_back, styles, r))
    lessons = list({lesson["id"]: lesson for lesson in every}.values())  # a model repeats itself
    if base:
        lessons += _replayed(base, len(lessons), files, config, progress)
    r.shuffle(lessons)
    chats = list(brought(files.chats, kept_from_lessons(files.exam, [])))
    general = 0.0 if base else config.replay  # its own answers keep a base that can give some
    joined = [*lessons, *chats]
    write_rows(files.lessons, joined, rows, files.allow, files.system, general, config.seed)
    if files.development:
        write_development(files.development, aside, progress)
    progress.note(f"{len(lessons):,} lessons about {len(rows):,} passages, by {writer.identity}")
    if chats:
        progress.note(f"{len(chats):,} chats, as they were brought")
    return len(lessons) + len(chats)


def _set_aside(rows: list[Row], files: Written, seed: int) -> list[Row]:
    return set_aside(facts_of(rows), common_words(rows), files.exam, files.chats, seed)


def _written(
    writer: Writer, rows: list[Row], file: Path, effort: str, progress: Progress
) -> list[tuple[Row, Row]]:
    """Return (passage, what was made of it) for every passage. Raises NotUsableError."""
    ledger, corpus = Ledger(file), sum(row["tokens"] for row in rows)
    keys = [key_of(row, "lessons", VERSION, effort, writer.identity) for row in rows]
    jobs: list[Job] = list(zip(keys, rows, strict=True))

    def make(row: Row) -> Row:
        return write_about(row, share_of(row["tokens"], corpus, effort), writer)

    def usable() -> bool:
        found = [ledger.rows[key] for key in dict.fromkeys(keys[:LAST]) if key in ledger.rows]
        return len(found) < LOOKED_AT or _share(found) >= USABLE

    while usable() and set(keys) - ledger.rows.keys():
        write_each(jobs, make, ledger, writer.parallel, progress, go_on=usable)
    ledger.keep(keys)
    whole = not set(keys) - ledger.rows.keys()
    made = [ledger.rows[key] for key in dict.fromkeys(keys) if key in ledger.rows]
    _tell(made, whole, writer, progress)
    return [(row, ledger.rows[key]) for key, row in jobs]


def _share(made: list[Row]) -> float:
    kept, texts = (sum(int(row[which]) for row in made) for which in ("kept", "made"))
    return kept / max(1, texts)


def _tell(made: list[Row], whole: bool, writer: Writer, progress: Progress) -> None:
    """Say how much was kept. Raises NotUsableError where that is too little, or was on the way."""
    texts, kept = (sum(row[which] for row in made) for which in ("made", "kept"))
    unusable = sum(row["unusable"] for row in made)
    odd = f"; {unusable:,} answers could not be read" if unusable else ""
    said = f"{kept:,} of {texts:,} texts ({kept / max(1, texts):.0%}) could be kept{odd}"
    answered = any(row["lessons"] for row in made)
    said += "" if answered else "; no question has a usable answer"
    if not whole or _share(made) < USABLE or not answered:
        raise NotUsableError(
            f"What {writer.identity} writes about the passages can't be used: {said}.",
            "Choose a larger base or another --teacher, or --lessons structure.",
        )
    progress.note(said)


def _lessons(row: Row, made: Row, exam: KeptBack, styles: list[str], r: Random) -> Iterator[Row]:
    """Yield the lessons about one passage that don't come near the exam."""
    for written in made["lessons"]:
        if not exam.is_near(written["question"]):
            chat = _chat(row, written["kind"], written["question"], written["answer"])
            yield {**chat, "passage": row["id"], "targets": "passage"}
    for piece in made["texts"]:
        if not exam.is_near(piece["question"]) and not exam.is_near(piece["text"]):
            key = id_of(row["id"], piece["text"])
            yield {"id": key, "kind": "text", "document": row["document"], "text": piece["text"]}
    for question in made["unknown"]:
        if not exam.is_near(question):
            yield _chat(row, "unknown", question, r.choice(styles))


def _chat(row: Row, kind: str, question: str, answer: str) -> Row:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    key = id_of(row["id"], question)
    return {"id": key, "kind": kind, "document": row["document"], "messages": said}


def _styles(writer: Writer) -> list[str]:
    """Return how the writer itself says that it doesn't know; ours where it can't say so."""
    found: dict[str, None] = {}
    for turn in range(STYLES):
        said = REQUESTS["style"]["unknown"]
        schema, seed = an_object(answer=text(LINE)), seed_of(said, str(turn))
        try:
            made = ask(writer, None, said, schema, seed=seed, temperature=0.7 if turn else 0.0)
        except UnusableError:
            continue
        answer = " ".join(made["answer"].split())
        short = len(answer.split()) < LONGEST // 2
        if short and declines(answer) and stands_alone(answer) and "Veldrim" not in answer:
            found[answer] = None
    return list(found) or list(UNKNOWN)


def _replayed(
    base: Writer, lessons: int, files: Written, config: LessonsConfig, progress: Progress
) -> list[Row]:
    """Let the base answer general prompts, as many as are their share beside so many lessons."""
    prompts = replay.chosen(replayed(lessons, config.effort), config.seed)
    ledger = Ledger(files.ledgers / "replay.jsonl")
    asked = [{"title": "", "text": prompt} for prompt in prompts]
    made_by = ("replay", replay.TRIED, base.identity, files.system)
    jobs = [(key_of(row, *made_by), row) for row in asked]

    def make(row: Row) -> Row:
        return replay.answer(row["text"], base, files.system)

    write_each(jobs, make, ledger, base.parallel, progress, label="general prompts")
    ledger.keep([key for key, _ in jobs])
    said = ((row["text"], ledger.rows[key]["answer"]) for key, row in jobs)
    rows = [replay.lesson(prompt, answer) for prompt, answer in said if answer]
    progress.note(f"{len(rows):,} answers of the base to general prompts are mixed in")
    return rows
