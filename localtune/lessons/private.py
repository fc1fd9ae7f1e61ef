"""A second look for private data, at what was made from passages that were scrubbed already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from localtune.privacy import Pseudonyms, find_private, scrub

Lesson = dict[str, Any]


def scrubbed(
    lessons: Iterable[Lesson], passages: list[dict[str, Any]], allow: Iterable[str]
) -> Iterator[Lesson]:
    """Yield the lessons with invented values for private ones that no passage holds.

    What stands in a passage was judged there, in its context; a generator may add what doesn't.
    """
    known = "\n".join(passage["text"] for passage in passages).casefold()
    public = frozenset(value.casefold() for value in allow)
    pseudonyms = Pseudonyms()

    @lru_cache(maxsize=100_000)  # an answer comes with many questions
    def clean(text: str) -> str:
        found = find_private(text, public)
        new = [part for part in found if text[part.start : part.end].casefold() not in known]
        return scrub(text, new, pseudonyms) if new else text

    for lesson in lessons:
        if "text" in lesson:
            yield {**lesson, "text": clean(lesson["text"])}
        else:
            messages = [{**said, "content": clean(said["content"])} for said in lesson["messages"]]
            yield {**lesson, "messages": messages}
