"""Yes/no questions to the writer about its own pairs: is the answer right, is a question the same?

What counts is how much likelier "yes" is than "no". Small models lean to one of them, so the limit
is taken from pairs that are known to be wrong: answers to other questions about the same section,
and similar questions with other answers. One token is computed for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random

from localtune.lessons.agreement import agrees
from localtune.lessons.grounding import content
from localtune.lessons.teacher.pair import Judged
from localtune.lessons.teacher.requests import Ask, Asker, Row

SAMPLE_REQUESTS = 40  # of each sort, which the limit is taken from
MIN_SAMPLE_REQUESTS = 12
WRONG_ANSWERS_FOUND, OTHER_QUESTIONS_FOUND = 0.95, 0.88  # shares, of those known to be wrong
RIGHT_ABOVE = 0.3  # share of all requests that must lie above the limit, or the writer cannot judge
SEED = 0


class Judge:
    """The answers to one kind of yes/no request.

    `wrong_below` is the share of requests known to be wrong that must lie under the limit.
    """

    def __init__(self, name: str, wrong_below: float, asker: Asker) -> None:
        self._name, self._wrong_below, self._asker = name, wrong_below, asker
        self._limit: float | None = None
        self._is_calibrated = False

    def calibrate(self, wrong: Callable[[], Sequence[Ask]], asks: Sequence[Ask]) -> None:
        """Take the limit from requests whose answer is no; `asks` are others.

        Done once for a ledger, as soon as there are enough of them: another limit would make
        other pairs of documents that did not change. Without a limit nothing is rejected.
        """
        if self._is_calibrated or len(asks) < MIN_SAMPLE_REQUESTS:
            return
        sample = Random(SEED).sample(list(asks), min(SAMPLE_REQUESTS, len(asks)))
        crossed = list(wrong())[:SAMPLE_REQUESTS]
        if len(crossed) < MIN_SAMPLE_REQUESTS:
            return
        self._is_calibrated = True
        name = f"limit {self._name} {self._wrong_below}"
        self._limit = self._asker.kept(name, lambda: self._found(crossed, sample))["limit"]
        if self._limit is None:
            self._asker.progress.warn(
                f"{self._asker.writer.identity} cannot tell right pairs from wrong ones "
                f"({self._name.replace('_', ' ')}): they are checked in other ways only"
            )

    def _found(self, crossed: Sequence[Ask], sample: Sequence[Ask]) -> Row:
        """Return the limit as the ledger keeps it, None where too much of the sample is below."""
        below = sorted(self._margins(crossed, "wrong pairs judged"))
        limit = below[int(self._wrong_below * (len(below) - 1))]
        above = [margin > limit for margin in self._margins(sample, "pairs judged")]
        return {"limit": limit if sum(above) >= RIGHT_ABOVE * len(above) else None}

    def rejects(self, asks: Sequence[Ask]) -> list[bool]:
        """Return for each request whether the writer says no."""
        if self._limit is None:
            return [False] * len(asks)
        return [margin <= self._limit for margin in self._margins(asks, "pairs judged")]

    def _margins(self, asks: Sequence[Ask], label: str) -> list[float]:
        # Requests that begin alike come one after the other.
        ordered = sorted(set(asks), key=lambda ask: (ask.section.id, ask.parts))
        found = self._asker.margins(ordered, label)
        by_ask = dict(zip(ordered, found, strict=True))
        return [by_ask[ask] for ask in asks]


def judge_of_answers(asker: Asker, wrong_below: float = WRONG_ANSWERS_FOUND) -> Judge:
    """Return what judges answers."""
    return Judge("right_answer", wrong_below, asker)


def judge_of_questions(asker: Asker) -> Judge:
    """Return what judges rewritten questions."""
    return Judge("same_question", OTHER_QUESTIONS_FOUND, asker)


def is_right_answer(judged: Judged) -> Ask:
    """Return the request whether an answer is right."""
    parts = (
        ("statement", judged.statement),
        ("question", judged.question),
        ("answer", judged.answer),
    )
    return Ask("judge", "right_answer", judged.section, 1, parts)


def is_same_question(judged: Judged, question: str) -> Ask:
    """Return the request whether a question asks the same as another one."""
    parts = (("first", judged.question), ("second", question))
    return Ask("judge", "same_question", judged.section, 1, parts)


def wrong_answers(judged: Iterable[Judged]) -> list[Ask]:
    """Return requests with answers to other questions about the section, no word of them alike."""
    r = Random(SEED)
    shuffled, by_section = _shuffled(judged)
    asks = []
    for one in shuffled:
        own = set(content(f"{one.question} {one.answer}"))
        others = [o for o in by_section[one.section.id] if not own & set(content(o.answer))]
        if others:
            other = r.choice(others)
            asks.append(
                is_right_answer(Judged(one.section, one.question, other.answer, other.statement))
            )
    return asks


def other_questions(judged: Iterable[Judged]) -> list[Ask]:
    """Return requests with the most similar question about the section that has another answer."""
    shuffled, by_section = _shuffled(judged)
    asks = []
    for one in shuffled:
        others = [o for o in by_section[one.section.id] if not agrees(one.answer, o.answer)]
        if others:
            other = max(others, key=lambda other: _likeness(one.question, other.question))
            asks.append(is_same_question(one, other.question))
    return asks


def _shuffled(judged: Iterable[Judged]) -> tuple[list[Judged], dict[str, list[Judged]]]:
    by_section: dict[str, list[Judged]] = defaultdict(list)
    listed = list(judged)
    for one in listed:
        by_section[one.section.id].append(one)
    return Random(SEED).sample(listed, len(listed)), by_section


def _likeness(first: str, second: str) -> float:
    one, other = set(content(first)), set(content(second))
    return len(one & other) / max(1, len(one | other))
