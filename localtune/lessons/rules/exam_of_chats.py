"""Chats that a person brought -> exam questions, for a folder that holds nothing else to ask about.

A question is one whose answer can be graded: short, or holding just one thing of the sort that is
asked for. The chats that are asked about are never trained on (structure.py leaves them out).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

from localtune.lessons.facts import id_of
from localtune.lessons.similarity import ExamQuestions, words
from localtune.lessons.values import CLOCK, COUNT, DATE, MONEY

Row = dict[str, Any]
SHARE = 10  # one in so many chats is held back
COMPARED = 200  # chats that a question is held against
ALIKE = 50  # one in so many of them may be near it
_SHORT = 8  # words of an answer that can be wanted whole
_LONGEST = 40  # words of a question
# What a question asks for -> what its answer must hold once.
_WANTED = (
    (r"\bhow much\b|\b(?:price|cost|fee)\b", MONEY),
    (r"\bwhen\b|\bwhat time\b|\b(?:what|which) (?:day|date)\b", rf"\b(?:{CLOCK}|{DATE})\b"),
    (r"\bhow (?:many|long|far|often|old|soon)\b", rf"\b{COUNT}\b"),
    (r"\bwho\b|\bwhose\b", r"(?<!^)(?<![.!?] )\b[A-Z][\w'-]+(?: [A-Z][\w'-]+)+"),
)


def questions_of(chats: list[Row], most: int, r: Random) -> list[Row]:
    """Choose at most `most` questions and a tenth of the chats; the first of each conversation.

    One that many chats nearly ask too isn't taken: they would have to go as well.
    """
    found = [row for chat in chats for row in _question(chat)]
    asked = [chat["messages"][-2]["content"] for chat in chats]
    compared = r.sample(asked, min(len(asked), COMPARED))
    apart = (row for row in r.sample(found, len(found)) if _is_apart(row["question"], compared))
    return list(islice(apart, min(most, max(1, len(chats) // SHARE))))


def _is_apart(question: str, compared: list[str]) -> bool:
    near = sum(map(ExamQuestions([question]).is_near, compared))
    return near <= max(1, len(compared) // ALIKE)


def _question(chat: Row) -> Iterator[Row]:
    spoken = [said["content"] for said in chat["messages"] if said["role"] != "system"]
    asked, said = " ".join(spoken[0].split()), " ".join(spoken[1].split())
    answers = _answers(asked, said) if len(words(asked)) <= _LONGEST else []
    if answers:
        key, document = id_of(chat["id"], asked), chat["document"]
        yield {
            "id": key,
            "question": asked,
            "answers": answers,
            "document": document,
            "kind": "chat",
        }


def _answers(asked: str, said: str) -> list[str]:
    """What an answer must hold: the one thing that was asked for, or all of a short one."""
    for question, wanted in _WANTED:
        found = {match[0] for match in re.finditer(wanted, said)}
        if re.search(question, asked, re.I) and len(found) == 1:
            return [answer for answer in found if answer not in asked]
    short = 0 < len(words(said)) <= _SHORT
    return [said.rstrip(".! ")] if short else []
