"""passages.jsonl -> exam.jsonl: facts sampled over the documents, each asked once.

The wordings are kept back: the exam is written before the lessons, and lessons/rules/structure.py
drops what comes near its questions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from localtune.config.stages import ExamConfig
from localtune.errors import InputError
from localtune.lessons.facts import Fact, common_words, facts_of, id_of
from localtune.lessons.rules.exam_of_chats import questions_of
from localtune.lessons.rules.wording import Question, direct_questions
from localtune.lessons.similarity import ExamQuestions, words
from localtune.progress import Progress, Silent
from localtune.workspace import read_jsonl, write_jsonl

Pair = tuple[Fact, Question]
FEWEST = 20  # questions, below which those that come near others are asked too
VAGUE = frozenset("it they he she this these that there".split())


def write_exam(
    passages: Path,
    exam: Path,
    config: ExamConfig,
    chats: Path | None = None,
    progress: Progress = Silent(),
) -> int:
    """Write at most `config.questions` questions and return their number.

    A question needs a short answer that stands in its statement. Where no document states
    anything, a share of the `chats` is held back and asked. Where those hold no such answer
    either, raises InputError: a build whose result can't be examined is not offered.
    """
    chosen = by_rule(passages, config.seed, config.questions)
    if not chosen and chats:
        drawn = Random(config.seed)
        chosen = questions_of(list(read_jsonl(chats)), config.questions, drawn)
    if not chosen:
        raise InputError(
            "The documents hold no statement that a question could be made from.",
            "Add documents with whole sentences, tables or lists in English, chats with short "
            f"answers, or an exam of your own as {exam.parent / 'exam.jsonl'}.",
        )
    write_jsonl(exam, chosen)
    documents = len({row["document"] for row in chosen})
    many = "document" if documents == 1 else "documents"
    progress.note(f"{len(chosen)} exam questions about {documents} {many}")
    return len(chosen)


def by_rule(passages: Path, seed: int, number: int) -> list[dict[str, Any]]:
    """Return at most `number` rule-based questions, as rows of exam.jsonl."""
    rows, r = list(read_jsonl(passages)), Random(seed)
    pairs = spread(_one_each(facts_of(rows), common_words(rows), r), number, r)
    return [row_of(fact, question) for fact, question in pairs]


def _one_each(facts: list[Fact], common: frozenset[str], r: Random) -> list[Pair]:
    """Ask each fact once, as far as possible in a question that comes near no other fact's.

    Both could be meant; and with the one in the exam, the other couldn't be asked in the lessons.
    Where hardly any question stands apart those will do that no other fact is asked by.
    """
    asked = askable(facts, common)
    stands_apart = apart_from_others(asked)
    apart = _chosen([pair for pair in asked if stands_apart(pair)], r)
    if len(apart) >= FEWEST:
        return apart
    owners = defaultdict[str, set[str]](set)
    for fact, question in asked:
        owners[question.text.lower()].add(fact.id)
    taken = {fact.id for fact, _ in apart}
    others = [(f, q) for f, q in asked if f.id not in taken and len(owners[q.text.lower()]) == 1]
    return apart + _chosen(others, r)


def askable(facts: list[Fact], common: frozenset[str]) -> list[Pair]:
    """Return every question of the facts that is clear and has a short answer."""
    return [
        (fact, question)
        for fact in facts
        for question in direct_questions(fact, common)
        if question.answers and _clear(question)
    ]


def apart_from_others(asked: list[Pair]) -> Callable[[Pair], bool]:
    """Return what says whether one of the questions comes near no question about another fact."""
    every = ExamQuestions(question.text for _, question in asked)
    return lambda pair: {asked[i][0].id for i in every.near(pair[1].text)} == {pair[0].id}


def _chosen(pairs: list[Pair], r: Random) -> list[Pair]:
    by_fact: dict[str, list[Pair]] = defaultdict(list)
    for fact, question in pairs:
        by_fact[fact.id].append((fact, question))
    return [r.choice(same) for same in by_fact.values()]


def _clear(question: Question) -> bool:
    """Whether a person could answer it: it names its subject and doesn't give the answer away."""
    asked = words(question.text)
    named = re.match(r"What (?:is|are) [A-Z]", question.text)  # "What is Tidewrack?"
    if not 3 + (not named) <= len(asked) <= 24 or VAGUE & set(asked[:4]):
        return False
    answers, text = [words(a) for a in question.answers], f" {' '.join(asked)} "
    return all(0 < len(a) <= 8 and f" {' '.join(a)} " not in text for a in answers)


def spread(asked: list[Pair], number: int, r: Random) -> list[Pair]:
    """Take turns among the documents until `number` questions are chosen."""
    by_document: dict[str, list[Pair]] = defaultdict(list)
    for pair in r.sample(asked, len(asked)):
        by_document[pair[0].document].append(pair)
    chosen: list[Pair] = []
    while len(chosen) < number and any(by_document.values()):
        for pairs in by_document.values():
            chosen += [pairs.pop()] if pairs else []
    return chosen[:number]


def row_of(fact: Fact, question: Question) -> dict[str, Any]:
    """A line of the exam; "reverse" asks for what the statement is about, "direct" for the rest."""
    reverse = any(fact.statement.startswith(answer) for answer in question.answers)
    return {
        "id": id_of(fact.id, question.text),
        "question": question.text,
        "answers": list(question.answers),
        "document": fact.document,
        "kind": "reverse" if reverse else "direct",
        "from": fact.kind,
        "fact": fact.id,
    }
