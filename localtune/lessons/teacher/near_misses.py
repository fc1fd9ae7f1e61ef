"""Questions that the documents do not answer, made by crossing: an attribute of one thing is asked
of another thing that lacks it.

Candidates need no writer. A candidate is kept only if no section that names the thing has the
attribute's words, and the writer finds no answer in the sections that retrieval returns, or takes
the answer that it finds for wrong.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random

from localtune.lessons.grounding import declines, stems
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.collection import Pair
from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.judge import Judge, Judged, is_right_answer
from localtune.lessons.teacher.pairs import second_answer
from localtune.lessons.teacher.requests import Asker
from localtune.lessons.teacher.retrieval import Search
from localtune.lessons.teacher.sections import Section

SECTIONS_SEARCHED = 2
MAX_SHARED = (
    0.5  # of the attribute's words: with more in a section that names the thing it is stated
)
CANDIDATES_PER_QUESTION = 3  # for each near-miss that is wanted: many have an answer
MAX_THING_WORDS = 4


class NearMisses:
    """Near-misses of one corpus."""

    def __init__(
        self,
        sections: list[Section],
        facts: dict[str, list[SectionFact]],
        checks: Checks,
        seed: int,
    ) -> None:
        self._checks = checks
        self._sections = sections
        self._words = {section.id: stems(section.whole) for section in sections}
        self._things = _things(sections, facts)
        self._search = Search(sections)
        self._seed = seed

    def write(
        self, asker: Asker, judge: Judge, pairs: Iterable[Pair], number: int
    ) -> list[tuple[str, str]]:
        """Return at most `number` (question, document) that nothing answers."""
        wanted = CANDIDATES_PER_QUESTION * number
        candidates = [c for c, _ in zip(self.candidates(pairs), range(wanted), strict=False)]
        asks = [
            second_answer(question, section)
            for question, _ in candidates
            for section in self._search.best(question, SECTIONS_SEARCHED)
        ]
        found = [
            Judged(ask.section, ask.parts[0][1], answer)
            for ask, answer in asker.replies(asks, "near-misses")
            if answer and not declines(answer)
        ]
        judged = [is_right_answer(self._checks.with_statement(answer)) for answer in found]
        wrong = judge.rejects(judged)
        answered = {
            one.question for one, is_wrong in zip(found, wrong, strict=True) if not is_wrong
        }
        return [(q, document) for q, document in candidates if q not in answered][:number]

    def candidates(self, pairs: Iterable[Pair]) -> Iterator[tuple[str, str]]:
        """Yield (question, document of the thing), no two alike."""
        r, seen = Random(self._seed), set[tuple[str, str]]()
        listed = list(pairs)
        for pair in r.sample(listed, len(listed)):
            held = [t for t in self._things if _holds(pair.question, t)]
            if not held:
                continue
            thing = max(held, key=len)
            kind, _ = self._things[thing]
            others = [t for t, (k, _) in self._things.items() if k == kind and t != thing]
            for other in r.sample(others, min(len(others), 8)):
                question = re.sub(rf"\b{re.escape(thing)}\b", lambda _: other, pair.question)  # noqa: B023
                attribute = stems(question) - stems(other)
                key = (other, " ".join(sorted(attribute)))
                if key in seen or not attribute or self._is_stated(other, attribute):
                    continue
                seen.add(key)
                yield question, self._things[other][1]
                break

    def _is_stated(self, thing: str, attribute: set[str]) -> bool:
        """Whether a section that names the thing has much of the attribute."""
        named = stems(thing)
        return any(
            named <= held and len(attribute & held) >= MAX_SHARED * len(attribute)
            for held in self._words.values()
        )


def _things(
    sections: list[Section], facts: dict[str, list[SectionFact]]
) -> dict[str, tuple[str, str]]:
    """Return what questions can be about: (kind, document) by its name; each name has one kind."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for section in sections:
        for fact in facts[section.id]:
            if fact.kind == "name" and " " in fact.value:
                found[fact.value].add(("name", section.document))
            elif fact.about:
                found[fact.about].add((f"row {len(fact.about.split()) > 1}", section.document))
    return {
        name: sorted(kinds)[0]
        for name, kinds in found.items()
        if len({kind for kind, _ in kinds}) == 1
        and 0 < len(name.split()) <= MAX_THING_WORDS
        and any(char.isalpha() for char in name)
    }


def _holds(question: str, thing: str) -> bool:
    return bool(re.search(rf"\b{re.escape(thing)}\b", question))
