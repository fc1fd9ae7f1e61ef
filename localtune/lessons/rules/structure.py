"""passages + exam -> lessons.jsonl, development.jsonl, by rule (mode `structure`, no generator).

Each fact is asked in many wordings and answered with its statement; passages are restated as text
under their title. Many questions per fact in varied wording are what makes a fact extractable
(Allen-Zhu and Li 2023, arXiv:2309.14316). No lesson comes near a question of the exam or of those
set aside for development (lessons/similarity.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from localtune.config.stages import LessonsConfig
from localtune.errors import InputError
from localtune.lessons.development import set_aside, write_development
from localtune.lessons.facts import Fact, common_words, facts_of, id_of, sentences
from localtune.lessons.general import with_general
from localtune.lessons.kept_back import KeptBack, kept_from_lessons
from localtune.lessons.keywords import Index
from localtune.lessons.private import scrubbed
from localtune.lessons.rules.speech import Around, as_people_ask, with_prefix, words_around
from localtune.lessons.rules.wording import direct_questions, loose_question, reworded
from localtune.lessons.similarity import words
from localtune.progress import Progress, Silent
from localtune.prompts import with_system
from localtune.workspace import read_jsonl, write_jsonl

Lesson = dict[str, Any]
WORDINGS = (40, 100)  # questions per fact: at least, and at most where there are few facts
LESSONS = 17_000  # that small collections come to: new wordings teach more than more passes
TRIES = 3  # draws for each: those near the exam or drawn before don't count
TURNS = (*9 * (1,), 2, 3)  # exchanges in one conversation: a third of the lessons share one
GRAMMATICAL = 0.6  # share of draws that are whole questions, while there are any
PIECE = 6  # sentences in one restated piece


def write_lessons(
    passages: Path,
    exam: Path,
    lessons: Path,
    config: LessonsConfig,
    chats: Path | None = None,
    allow: Iterable[str] | None = (),
    progress: Progress = Silent(),
    system: str = "",
    development: Path | None = None,
) -> int:
    """Write the lessons in a seeded order and return their number.

    Questions are set aside for development where there is a file for them. `chats` that a person
    brought become lessons as they are, `system` stands in front of all that have no system message.
    Private data that no passage holds is replaced but for the values in `allow`; None keeps all.
    """
    rows = list(read_jsonl(passages))
    facts, common = facts_of(rows), common_words(rows)
    chatted = list(brought(chats, kept_from_lessons(exam, [])))
    if not facts and not chatted:
        raise InputError(
            "The documents hold nothing a lesson could be made from.",
            "Add documents with whole sentences.",
        )
    aside = set_aside(facts, common, exam, chats, config.seed) if development else []
    kept_back = kept_from_lessons(exam, aside)
    made = _about_all(facts, common, kept_back, config.seed, progress)
    made += [lesson for row in rows for lesson in restated(row, config.seed)]
    r = Random(config.seed)
    r.shuffle(made)
    joined = [*_conversations(made, r), *chatted]
    write_rows(lessons, joined, rows, allow, system, config.replay, config.seed)
    if development:
        write_development(development, aside, progress)
    if made:
        progress.note(f"{len(made):,} lessons about {len(facts):,} facts")
    if chatted:
        progress.note(f"{len(chatted):,} chats, as they were brought")
    return len(made) + len(chatted)


def write_rows(
    lessons: Path,
    made: Iterable[Lesson],
    passages: list[dict[str, Any]],
    allow: Iterable[str] | None,
    system: str,
    general: float = 0.0,
    seed: int = 0,
) -> None:
    """Write lessons as they are trained on: without private data, behind the system prompt.

    `general` is the share of general text among them.
    """
    clean = made if allow is None else scrubbed(made, passages, allow)
    asked = [{**row, **_prompted(row, system)} for row in clean]
    write_jsonl(lessons, with_general(asked, general, seed))


def _prompted(lesson: Lesson, system: str) -> Lesson:
    said = lesson.get("messages")
    return {"messages": with_system(said, system)} if said else {}


def brought(chats: Path | None, exam: KeptBack) -> Iterator[Lesson]:
    """Yield the chats a person brought; one that asks what the exam asks is left out."""
    for row in read_jsonl(chats) if chats else ():
        asked = (said["content"] for said in row["messages"] if said["role"] == "user")
        if not any(exam.is_near(question) for question in asked):
            yield {**row, "kind": "chat"}


def _about_all(
    facts: list[Fact], common: frozenset[str], kept_back: KeptBack, seed: int, progress: Progress
) -> list[Lesson]:
    index, made = Index(facts), list[Lesson]()
    around = words_around(index)
    wordings = min(max(LESSONS // max(len(facts), 1), WORDINGS[0]), WORDINGS[1])
    with progress.bar("facts", len(facts)) as bar:
        for fact in facts:
            drawn = _drawn(fact, common, index, around, Random(f"{seed} {fact.id}"))
            made += _about(fact, islice(drawn, TRIES * wordings), kept_back, wordings)
            bar.advance()
    return made


def _conversations(lessons: list[Lesson], r: Random) -> Iterator[Lesson]:
    """Join some lessons with those behind them: a model is asked more than one thing in a chat."""
    i = 0
    while i < len(lessons):
        taken = lessons[i : i + r.choice(TURNS)]
        yield from [_joined(taken)] if all("messages" in lesson for lesson in taken) else taken
        i += len(taken)


def _joined(lessons: list[Lesson]) -> Lesson:
    if len(lessons) == 1:
        return lessons[0]
    return {
        "id": id_of(*(lesson["id"] for lesson in lessons)),
        "kind": "chat",
        "document": ", ".join(dict.fromkeys(lesson["document"] for lesson in lessons)),
        "messages": [message for lesson in lessons for message in lesson["messages"]],
    }


def _about(fact: Fact, drawn: Iterator[str], exam: KeptBack, wordings: int) -> Iterator[Lesson]:
    """Ask one fact in so many different ways, none of them near the exam."""
    seen: set[str] = set()
    for question in drawn:
        key = " ".join(words(question))
        if key and key not in seen and not exam.is_near(question):
            seen.add(key)
            yield _chat(fact, question)
        if len(seen) == wordings:
            return


def _drawn(
    fact: Fact, common: frozenset[str], index: Index, around: Around, r: Random
) -> Iterator[str]:
    """Whole questions, each once, mixed with loose ones, without an end."""
    whole = [question.text for question in direct_questions(fact, common)]
    whole += reworded(fact, common)
    r.shuffle(whole)
    while True:
        use_whole = whole and r.random() < GRAMMATICAL
        text = whole.pop() if use_whole else loose_question(fact, index, common, r)
        yield with_prefix(as_people_ask(text, around, r), fact, r)


def _chat(fact: Fact, question: str) -> Lesson:
    answer = {"role": "assistant", "content": fact.answer}
    return {
        "id": id_of(fact.id, question),
        "kind": fact.kind,
        "document": fact.document,
        "messages": [{"role": "user", "content": question}, answer],
    }


def restated(passage: dict[str, Any], seed: int) -> Iterator[Lesson]:
    """The passage under its title in pieces of PIECE sentences: once in order, once permuted."""
    path = " > ".join(dict.fromkeys([passage["title"], *passage.get("headings", [])]))
    lines = [s for block in passage["text"].split("\n\n") for s in _lines(block)]
    permuted = Random(f"{seed} {passage['id']}").sample(lines, len(lines))
    for turn, order in enumerate((lines, permuted)):
        for i in range(0, len(order), PIECE):
            text = f"{path}\n\n" + "\n".join(order[i : i + PIECE])
            key = id_of(passage["id"], f"{turn} {i}")
            yield {"id": key, "kind": "text", "document": passage["document"], "text": text}


def _lines(block: str) -> list[str]:
    return block.splitlines() if "|" in block else sentences(block)
