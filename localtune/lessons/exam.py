"""passages.jsonl -> exam.jsonl: facts sampled over the documents, each asked once, in a wording kept back.

The exam is written before the lessons; lessons/structure.py drops what comes near its questions.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from random import Random

from localtune.config import ExamConfig
from localtune.errors import InputError
from localtune.lessons.facts import Fact, facts_of
from localtune.lessons.similarity import too_similar, words
from localtune.lessons.wording import Question, direct_questions
from localtune.progress import Progress, Silent
from localtune.workspace import read_jsonl, write_jsonl


def write_exam(passages: Path, exam: Path, config: ExamConfig, progress: Progress = Silent()) -> int:
    """Write at most `config.questions` questions and return their number.

    A question needs a short answer that stands in its statement. Where the documents hold no
    such fact, raises InputError: a build whose result can't be examined is not offered.
    """
    facts = facts_of(read_jsonl(passages))
    asked = _one_each(facts, Random(config.seed))
    if not asked:
        raise InputError("The documents hold no statement that a question could be made from.",
                         "Add documents with whole sentences, tables or lists in English.")
    chosen = _spread(asked, config.questions, Random(config.seed))
    write_jsonl(exam, [_row(fact, question) for fact, question in chosen])
    progress.note(f"{len(chosen)} exam questions about {len({f.document for f, _ in chosen})} documents")
    return len(chosen)


def _one_each(facts: list[Fact], r: Random) -> list[tuple[Fact, Question]]:
    """Ask each fact once; drop questions that two facts would answer differently."""
    pairs: dict[str, list[tuple[Fact, Question]]] = defaultdict(list)
    for fact in facts:
        usable = [q for q in direct_questions(fact) if q.answers and _clear(fact, q)]
        if usable and fact.kind != "faq":
            question = r.choice(usable)
            pairs[question.text.lower()].append((fact, question))
    return [same[0] for same in pairs.values() if len(same) == 1]


def _clear(fact: Fact, question: Question) -> bool:
    """Whether a person could answer it: it names what it asks about, and doesn't give the answer away."""
    asked = words(question.text)
    vague = {"it", "they", "he", "she", "this", "these", "that", "there", "we"}
    if len(asked) > 24 or len(asked) < 4 or vague & set(asked[:4]):
        return False
    answers = [words(a) for a in question.answers]
    return all(0 < len(a) <= 8 and f" {' '.join(a)} " not in f" {' '.join(asked)} " for a in answers)


def _spread(asked: list[tuple[Fact, Question]], number: int, r: Random) -> list[tuple[Fact, Question]]:
    """Take turns among the documents until `number` questions are chosen; none like another."""
    by_document: dict[str, list[tuple[Fact, Question]]] = defaultdict(list)
    for pair in asked:
        by_document[pair[0].document].append(pair)
    for pairs in by_document.values():
        r.shuffle(pairs)
    chosen: list[tuple[Fact, Question]] = []
    while len(chosen) < number and any(by_document.values()):
        for pairs in by_document.values():
            if pairs and len(chosen) < number:
                chosen.append(pairs.pop())
    return chosen


def _row(fact: Fact, question: Question) -> dict:
    key = hashlib.sha256(f"{fact.id}\n{question.text}".encode()).hexdigest()[:12]
    return {"id": key, "question": question.text, "answers": list(question.answers), "document": fact.document, "kind": fact.kind, "fact": fact.id}


__all__ = ["too_similar", "write_exam"]
