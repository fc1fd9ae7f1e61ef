"""General English among the lessons, so that the base keeps what it knew (replay).

The text is general.jsonl.gz: {"from", "text"} a line behind one that names sources and licence. Its
soft targets are the base's own thoughts on it (`"targets": "alone"`): a base that follows no
instruction has nothing else to be asked for.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from localtune.lessons.facts import id_of

Lesson = dict[str, Any]
TEXTS = Path(__file__).parent / "general.jsonl.gz"


def with_general(lessons: list[Lesson], share: float, seed: int) -> list[Lesson]:
    """Return lessons with general texts strewn in, which make up a `share` (0 to 0.5) of all words.

    A text comes again only after all others have.
    """
    r = Random(seed)
    wanted = share / (1 - share) * sum(map(_size, lessons))
    taken: list[Lesson] = []
    for text in _drawn(r) if share else ():
        if wanted < _size(text) / 2:
            break
        taken.append(text)
        wanted -= _size(text)
    places = sorted(r.randrange(len(lessons) + 1) for _ in taken)
    mixed: list[Lesson] = []
    at = 0
    for place, text in zip(places, taken, strict=True):
        mixed += [*lessons[at:place], text]
        at = place
    return mixed + lessons[at:]


def _size(lesson: Lesson) -> int:
    said = lesson.get("text") or " ".join(part["content"] for part in lesson["messages"])
    return len(said.split())


def _drawn(r: Random) -> Iterator[Lesson]:
    """Yield the general texts in an order of its own each time round, without an end."""
    texts = [
        {
            "id": id_of("general", row["text"]),
            "kind": "replay",
            "document": "",
            "text": row["text"],
            "targets": "alone",
        }
        for row in _read()
    ]
    while True:
        yield from r.sample(texts, len(texts))


def _read() -> list[dict[str, str]]:
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][1:]
