"""Questions with answers -> lessons: conversations of several of them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from localtune.lessons.facts import id_of
from localtune.lessons.teacher.requests import PROMPTS, in_language

Row = dict[str, Any]
TURNS = (1, 2, 3, 3, 4)  # questions in one conversation, drawn from these


def chat(kind: str, document: str, question: str, answer: str) -> Row:
    """Return a lesson of one question and its answer."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": id_of(kind, question), "kind": kind, "document": document, "messages": messages}


def declined(question: str, document: str, language: str, r: Random) -> Row:
    """Return a lesson that declines to answer, in a language (ISO 639-1)."""
    return chat("unknown", document, question, r.choice(in_language(PROMPTS["declined"], language)))


def joined(chats: list[Row], r: Random) -> Iterator[Row]:
    """Join questions into conversations, which share one system prompt."""
    i = 0
    while i < len(chats):
        part = chats[i : i + r.choice(TURNS)]
        i += len(part)
        yield {
            "id": id_of(*(row["id"] for row in part)),
            "kind": part[0]["kind"] if len(part) == 1 else "chat",
            "document": ", ".join(dict.fromkeys(row["document"] for row in part)),
            "messages": [message for row in part for message in row["messages"]],
        }
