"""passages.jsonl + exam.jsonl -> lessons.jsonl, by rule (mode `structure`, no generator).

Each fact is asked in many wordings and answered with its statement; passages are restated as text
under their title. Many questions per fact in varied wording is what makes a fact extractable (Allen-Zhu
and Li 2023, arXiv:2309.14316). No lesson comes near an exam question (lessons/similarity.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from localtune.config import LessonsConfig
from localtune.errors import InputError
from localtune.lessons.facts import Fact, facts_of, sentences
from localtune.lessons.similarity import too_similar, words
from localtune.lessons.wording import direct_questions, loose_question, with_prefix
from localtune.progress import Progress, Silent
from localtune.workspace import read_jsonl, write_jsonl

WORDINGS = 16  # questions per fact
TRIES = 60


def write_lessons(passages: Path, exam: Path, lessons: Path, config: LessonsConfig, progress: Progress = Silent()) -> int:
    """Write the lessons in a seeded order and return their number."""
    rows = list(read_jsonl(passages))
    facts = facts_of(rows)
    if not facts:
        raise InputError("The documents hold nothing a lesson could be made from.", "Add documents with whole sentences.")
    kept_back: dict[str, list[list[str]]] = {}
    for question in read_jsonl(exam):
        kept_back.setdefault(question["document"], []).append(words(question["question"]))
    made = [lesson for fact in facts for lesson in _about(fact, kept_back.get(fact.document, []), config.seed)]
    exactly = {" ".join(q) for asked in kept_back.values() for q in asked}
    made = [m for m in made if " ".join(words(m["messages"][0]["content"])) not in exactly]
    made += [lesson for row in rows for lesson in _restated(row, config.seed)]
    Random(config.seed).shuffle(made)
    write_jsonl(lessons, made)
    progress.note(f"{len(made)} lessons about {len(facts)} facts")
    return len(made)


def _about(fact: Fact, exam: list[list[str]], seed: int) -> Iterator[dict]:
    """Ask one fact in WORDINGS different ways: its direct questions first, then loose ones."""
    r = Random(f"{seed} {fact.id}")
    seen: set[str] = set()
    direct = [q.text for q in direct_questions(fact)]
    drawn = [*direct, *(with_prefix(q, fact, r) for q in direct for _ in range(2))]
    drawn += [with_prefix(loose_question(fact, r), fact, r) for _ in range(TRIES)]
    for question in drawn:
        key = " ".join(words(question))
        if len(seen) < WORDINGS and key and key not in seen and not too_similar(words(question), exam):
            seen.add(key)
            yield _chat(fact, question)


def _chat(fact: Fact, question: str) -> dict:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": fact.statement}]
    return {"id": _id(fact.id, question), "kind": fact.kind, "document": fact.document, "messages": messages}


def _restated(passage: dict, seed: int) -> Iterator[dict]:
    """The passage as text under its title, in pieces of some sentences, once in order and once permuted."""
    path = " > ".join([passage["title"], *passage.get("headings", [])])
    lines = [s for block in passage["text"].split("\n\n") for s in ([block] if "|" in block else sentences(block))]
    for turn in range(2):
        order = lines[:]
        if turn:
            Random(f"{seed} {passage['id']}").shuffle(order)
        for i in range(0, len(order), 6):
            text = f"{path}\n\n" + "\n".join(order[i : i + 6])
            yield {"id": _id(passage["id"], f"{turn} {i}"), "kind": "text", "document": passage["document"], "text": text}


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
