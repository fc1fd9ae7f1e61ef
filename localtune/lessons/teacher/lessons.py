"""passages + exam -> lessons.jsonl, development.jsonl, by a model (modes `self` and `teacher`).

Lessons are pairs in short conversations, near-misses that are declined, the passages as text, the
base's own answers to general prompts (replay), and the chats that a user brought. None comes near a
question of the exam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from localtune.config.stages import LessonsConfig
from localtune.lessons import replay
from localtune.lessons.development import write_development
from localtune.lessons.each import write_each
from localtune.lessons.general import replay_words
from localtune.lessons.kept_back import kept_from_lessons
from localtune.lessons.ledger import Ledger, key_of
from localtune.lessons.rules.structure import brought, write_rows
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.collection import PairCollection
from localtune.lessons.teacher.conversations import chat, declined, joined
from localtune.lessons.teacher.facts import facts_in
from localtune.lessons.teacher.near_misses import NearMisses
from localtune.lessons.teacher.pair import Pair
from localtune.lessons.teacher.pairs import PAIRS_PER_FACT, PairWriter
from localtune.lessons.teacher.requests import Asker
from localtune.lessons.teacher.restated import restated
from localtune.lessons.teacher.sections import sections_of
from localtune.lessons.teacher.validation import row_of, set_aside
from localtune.llama.writing import NotUsableError, Writer
from localtune.progress import Progress
from localtune.workspace import read_jsonl, write_json, write_jsonl

Row = dict[str, Any]
NEAR_MISS_SHARE = 0.12  # of all questions
MIN_KEPT_SHARE = 0.05  # of the pairs that were written


@dataclass(frozen=True)
class LessonFiles:
    """Where written lessons come from and go to.

    `ledgers` is a folder; `development` gets validation questions, None sets none aside; `dropped`
    gets the pairs that were dropped, `counts` the figures of the stage.
    """

    passages: Path
    exam: Path
    lessons: Path
    ledgers: Path
    chats: Path | None
    allow: Iterable[str] | None
    system: str
    dropped: Path
    counts: Path
    development: Path | None = None
    languages: tuple[tuple[str, str], ...] = ()  # (document, language)


def write_lessons_with(
    writer: Writer,
    base: Writer | None,
    files: LessonFiles,
    config: LessonsConfig,
    progress: Progress,
    is_late: Callable[[], bool] | None = None,
) -> int:
    """Write the lessons in a seeded order and return their number.

    `base` answers general prompts, None for a base that cannot. What the ledgers hold is not asked
    again. Once `is_late`, no further pairs are asked for. Raises NotUsableError where too little
    can be kept, and what the writers raise.
    """
    rows = list(read_jsonl(files.passages))
    sections = sections_of(rows)
    facts = facts_in(sections)
    kept_back = kept_from_lessons(files.exam, [])
    written = PairCollection({s.id: s for s in sections}, facts, Checks(sections), kept_back)
    asker = Asker(writer, Ledger(files.ledgers / "lessons.jsonl"), progress)
    PairWriter(asker, written).write(config.effort, is_late)
    _check(written, writer, progress)
    pairs, aside = set_aside(written, config.seed) if files.development else (written.kept, [])
    wanted = round(len(pairs) * NEAR_MISS_SHARE / (1 - NEAR_MISS_SHARE))
    found = NearMisses(sections, facts, config.seed).write(asker, pairs, wanted)
    misses = [(question, name) for question, name in found if not kept_back.is_near(question)]
    asker.ledger.keep_used()
    lessons = [
        *_conversations(written, pairs, misses, files, config.seed),
        *(text for section in sections for text in restated(section, config.seed)),
    ]
    lessons += _replayed(base, lessons, files, config, progress) if base else []
    Random(config.seed).shuffle(lessons)
    own = list(brought(files.chats, kept_back))
    write_rows(
        files.lessons, [*lessons, *own], rows, files.allow, files.system, config.replay, config.seed
    )
    _write_counts(written, len(misses), writer, files)
    if files.development:
        asked = [row_of(pair, written.sections[pair.section].document) for pair in aside]
        write_development(files.development, asked, progress)
    progress.note(
        f"{len(lessons):,} lessons from {len(pairs):,} pairs and {len(misses):,} near-misses"
    )
    if own:
        progress.note(f"{len(own):,} chats, as they were brought")
    return len(lessons) + len(own)


def _conversations(
    written: PairCollection,
    pairs: list[Pair],
    misses: list[tuple[str, str]],
    files: LessonFiles,
    seed: int,
) -> Iterator[Row]:
    """Yield conversations about pairs and near-misses, (question, document), mixed."""
    documents = {key: section.document for key, section in written.sections.items()}
    languages, r = dict(files.languages), Random(seed)
    asked = [
        chat(pair.style, documents[pair.section], pair.question, pair.answer) for pair in pairs
    ]
    asked += [declined(question, name, languages.get(name, ""), r) for question, name in misses]
    r.shuffle(asked)
    return joined(asked, r)


def _check(written: PairCollection, writer: Writer, progress: Progress) -> None:
    """Report how much was kept. Raises NotUsableError where that is too little."""
    made, kept = len(written.kept) + len(written.dropped), len(written.kept)
    facts = len(written.all_facts())
    said = f"{kept:,} of {made:,} pairs ({kept / max(1, made):.0%}) could be kept"
    reasons = ", ".join(f"{number} {why}" for why, number in written.reasons().most_common())
    if not kept or kept < MIN_KEPT_SHARE * made:
        raise NotUsableError(
            f"What {writer.identity} writes about the documents cannot be used: {said}"
            f"{f' (dropped: {reasons})' if reasons else ''}.",
            "Choose a larger base or another --teacher, or --lessons structure.",
        )
    progress.note(said)
    progress.note(
        f"of {facts:,} facts {written.covered(1) / max(1, facts):.0%} are asked about, "
        f"{written.covered(PAIRS_PER_FACT) / max(1, facts):.0%} by {PAIRS_PER_FACT} pairs or more"
    )
    if reasons:
        progress.note(f"dropped: {reasons}")


def _write_counts(written: PairCollection, misses: int, writer: Writer, files: LessonFiles) -> None:
    """Write the figures of the stage, and the dropped pairs with their reasons."""
    write_json(
        files.counts,
        {
            "writer": writer.identity,
            "pairs": len(written.kept) + len(written.dropped),
            "kept": len(written.kept),
            "near_misses": misses,
            "facts": len(written.all_facts()),
            "asked_about": written.covered(1),
            "asked_about_often": written.covered(PAIRS_PER_FACT),
            "dropped": dict(written.reasons().most_common()),
        },
    )
    write_jsonl(
        files.dropped,
        (
            {
                "reason": reason,
                "document": written.sections[pair.section].document,
                "question": pair.question,
                "answer": pair.answer,
                "style": pair.style,
            }
            for pair, reason in written.dropped
        ),
    )


def _replayed(
    base: Writer, lessons: list[Row], files: LessonFiles, config: LessonsConfig, progress: Progress
) -> list[Row]:
    """Let the base answer general prompts: half of what is replayed beside so many lessons."""
    wanted = replay_words(lessons, config.replay) / 2
    prompts = replay.chosen(round(wanted / replay.WORDS_PER_ANSWER), config.seed)
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
