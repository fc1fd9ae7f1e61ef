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

from localtune.lessons.facts import id_of, sentences

Lesson = dict[str, Any]
SENTENCES = 4  # in a mixed text
TEXTS = Path(__file__).parent / "general.jsonl.gz"


def with_general(lessons: list[Lesson], share: float, seed: int) -> list[Lesson]:
    """Return lessons with general texts strewn in, up to a `share` (0 to 0.5) of all words.

    The base's own answers among the lessons count as part of it. A text comes once, its sentences
    again only after all others have.
    """
    r = Random(seed)
    wanted = replay_words(lessons, share)
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


def replay_words(lessons: list[Lesson], share: float) -> float:
    """Return how many words of replay are missing beside lessons, of which it is to be a share."""
    sizes = [(lesson.get("kind") == "replay", _size(lesson)) for lesson in lessons]
    learned, held = (sum(n for replay, n in sizes if replay == which) for which in (False, True))
    return share / (1 - share) * learned - held


def _size(lesson: Lesson) -> int:
    said = lesson.get("text") or " ".join(part["content"] for part in lesson["messages"])
    return len(said.split())


def _drawn(r: Random) -> Iterator[Lesson]:
    """Yield the general texts, then their sentences mixed anew each time round, without an end.

    The base is asked about what it reads, so that mixed sentences teach as well, and nothing is
    read so often that it is known by heart.
    """
    texts = [row["text"] for row in _read()]
    said = [sentence for text in texts for sentence in sentences(text)]
    yield from map(_lesson, r.sample(texts, len(texts)))
    while True:
        mixed = r.sample(said, len(said))
        for i in range(0, len(mixed), SENTENCES):
            yield _lesson(" ".join(mixed[i : i + SENTENCES]))


def _lesson(text: str) -> Lesson:
    return {
        "id": id_of("general", text),
        "kind": "replay",
        "document": "",
        "text": text,
        "targets": "alone",
    }


def _read() -> list[dict[str, str]]:
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][1:]
