"""Questions that the documents do not answer, made by crossing: an attribute of one thing is asked
of another thing that lacks it.

Candidates need no writer. A candidate is kept only if no text that names the thing has the
attribute's words, and the writer is less sure that the likeliest statements answer it than it is of
nearly all questions that they do answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain, compress, islice, zip_longest
from random import Random

from localtune.lessons.grounding import stems
from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.judge import SAMPLE_REQUESTS
from localtune.lessons.teacher.pair import Pair
from localtune.lessons.teacher.requests import Ask, Asker, Row
from localtune.lessons.teacher.retrieval import Search
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.statements import statements_of

STATEMENTS_SEARCHED = 3
ANSWERED_BELOW = 0.05  # share of answered questions that may lie below the limit
MAX_SHARED = 0.5  # of the attribute's words: with more in a text that names the thing it is stated
CANDIDATES_PER_QUESTION = 2.0  # for each near-miss that is wanted: many have an answer
MAX_THING_WORDS = 4
OTHERS_TRIED = 8  # things that an attribute is asked of until one lacks it
# The last preposition of a question, with what comes behind it (English).
_ENDING = re.compile(r"(.+\b(of|for|in|at|on|with|about|from|by)) (.+)\?")


class NearMisses:
    """Near-misses of one corpus."""

    def __init__(
        self, sections: list[Section], facts: dict[str, list[SectionFact]], seed: int
    ) -> None:
        self._sections = {section.id: section for section in sections}
        self._words = [stems(section.whole) for section in sections]
        self._things = _things(sections, facts)
        self._statements = [(s, statement) for s in sections for statement in statements_of(s)]
        self._search = Search([statement.whole for _, statement in self._statements])
        self._seed = seed

    def write(self, asker: Asker, pairs: Iterable[Pair], number: int) -> list[tuple[str, str]]:
        """Return at most `number` (question, document) that nothing answers."""
        listed = list(pairs)
        wanted = islice(self.candidates(listed), round(CANDIDATES_PER_QUESTION * number))
        asks = {ask: found for found in wanted if (ask := self._is_answered(found[0]))}
        if not asks:
            return []
        limit = asker.kept("limit answered", lambda: self._limit(asker, listed))["limit"]
        margins = asker.margins(list(asks), "near-misses")
        # A writer that tells no probabilities has the same margin for each "no".
        below = [margin < limit or margin == limit < 0 for margin in margins]
        return list(islice(compress(asks.values(), below), number))

    def _limit(self, asker: Asker, pairs: list[Pair]) -> Row:
        """Return the margin that few questions with an answer lie below."""
        drawn = Random(self._seed).sample(pairs, len(pairs))
        asks = [ask for pair in drawn if (ask := self._is_answered(pair.question))]
        margins = sorted(asker.margins(asks[:SAMPLE_REQUESTS], "answered questions judged"))
        return {"limit": margins[int(ANSWERED_BELOW * len(margins))] if margins else 0.0}

    def _is_answered(self, question: str) -> Ask | None:
        """Return the request whether the likeliest statements answer a question, None for none."""
        best = [self._statements[i] for i in self._search.best(question, STATEMENTS_SEARCHED)]
        if not best:
            return None
        shown = "\n".join(statement.whole for _, statement in best)
        parts = (("statements", shown), ("question", question))
        return Ask("judge", "answered", best[0][0], 1, parts)

    def candidates(self, pairs: Iterable[Pair]) -> Iterator[tuple[str, str]]:
        """Yield (question, document of the thing), no two alike."""
        listed = list(pairs)
        drawn = Random(self._seed).sample(listed, len(listed))
        kinds = (self._of_things(drawn), self._of_endings(drawn))
        seen = {pair.question for pair in listed}
        for found in filter(None, chain.from_iterable(zip_longest(*kinds))):
            if found[0] not in seen:
                seen.add(found[0])
                yield found

    def _of_things(self, pairs: list[Pair]) -> Iterator[tuple[str, str]]:
        """Ask what is asked of a thing of another one of its kind."""
        r, seen = Random(self._seed), set[tuple[str, str]]()
        for pair in pairs:
            held = [t for t in self._things if _holds(pair.question, t)]
            if not held:
                continue
            thing = max(held, key=len)
            kind, _ = self._things[thing]
            others = [t for t, (k, _) in self._things.items() if k == kind and t != thing]
            for other in r.sample(others, min(len(others), OTHERS_TRIED)):
                question = re.sub(rf"\b{re.escape(thing)}\b", lambda _: other, pair.question)  # noqa: B023
                attribute = stems(question) - stems(other)
                key = (other, " ".join(sorted(attribute)))
                if key not in seen and attribute and not _is_stated(other, attribute, self._words):
                    seen.add(key)
                    yield question, self._things[other][1]
                    break

    def _of_endings(self, pairs: list[Pair]) -> Iterator[tuple[str, str]]:
        """Ask what one question asks of that which another one about the document asks about."""
        stated = [statement.whole_stems for _, statement in self._statements]
        r, by_kind = Random(self._seed), defaultdict[tuple[str, str], list[str]](list)
        parted = [
            (match, self._sections[pair.section].document)
            for pair in pairs
            if (match := _ENDING.fullmatch(pair.question))
        ]
        for match, document in parted:
            if len(match[3].split()) <= MAX_THING_WORDS:
                by_kind[document, match[2]].append(match[3])
        for match, document in parted:
            others = by_kind[document, match[2]]
            for other in r.sample(others, min(len(others), OTHERS_TRIED)):
                attribute = stems(match[1]) - stems(other)
                if (
                    attribute
                    and not stems(other) & stems(match[3])
                    and not _is_stated(other, attribute, stated)
                ):
                    yield f"{match[1]} {other}?", document
                    break


def _is_stated(thing: str, attribute: set[str], texts: Iterable[AbstractSet[str]]) -> bool:
    """Whether one of the texts, each as stems, names the thing and has much of the attribute."""
    named = stems(thing)
    return any(
        named <= held and len(attribute & held) >= MAX_SHARED * len(attribute) for held in texts
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
