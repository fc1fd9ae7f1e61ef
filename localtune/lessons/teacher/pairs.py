"""sections -> questions with their answers, until every fact is asked about by several of them.

Many pairs per fact in varied wording are what makes a fact extractable (Allen-Zhu and Li 2023,
arXiv:2309.14316). A first round asks for pairs about each section in several styles. Further rounds
name the facts that too few pairs ask about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from math import ceil

from localtune.lessons.agreement import agrees
from localtune.lessons.facts import facts_of
from localtune.lessons.similarity import words
from localtune.lessons.teacher.collection import ASKED_BEFORE, PairCollection, question_key
from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.judge import (
    is_right_answer,
    is_same_question,
    judge_of_answers,
    judge_of_questions,
    other_questions,
    wrong_answers,
)
from localtune.lessons.teacher.pair import Pair
from localtune.lessons.teacher.requests import Ask, Asker, Row, pairs_in, questions_in
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.trial import without_failing

PAIRS_PER_FACT = 3
SECTION_STYLES = ("cover", "everyday")
QUICK_SECTION_STYLES = ("cover",)
FACT_STYLES = ("statement", "situation")  # asked for about each statement that has facts
DRAWS = {"quick": 1, "normal": 1, "max": 3}  # of each request
ROUNDS = {"quick": 1, "normal": 2, "max": 3}  # about facts that too few pairs ask about
CHARACTERS_PER_PAIR = 110
MIN_PAIRS, MAX_PAIRS = 3, 12  # asked for in one request
MAX_STYLE_PAIRS = {"statement": 12, "situation": 6}  # about one statement
MAX_VALUE_CHARACTERS = 60  # a longer fact is named by its whole statement
EVERYDAY = ("everyday", "situation", "rewrite")
BATCH = 8  # sections that are asked about before the time is looked at


class PairWriter:
    """Writes the pairs of one corpus into a collection."""

    def __init__(self, asker: Asker, written: PairCollection) -> None:
        self._asker, self._written = asker, written
        self.answers, self._questions = judge_of_answers(asker), judge_of_questions(asker)

    def write(self, effort: str, is_late: Callable[[], bool] | None = None) -> None:
        """Write pairs about all sections, and again about the facts that were missed.

        Once `is_late`, no more is asked for; every section is asked about once. What the ledger
        holds is not asked again. Raises what the writer raises.
        """
        written = self._written
        for section in written.sections.values():
            for fact in facts_of([vars(section)]):
                if fact.kind == "faq":
                    written.add(Pair(section.id, "document", fact.topic, fact.statement))
        asks = list(_first_round(written, effort))
        good, trial = without_failing(self._asker, asks, written.passes, self._later)
        first = _batches(good or trial) if is_late else [good or trial]
        for done, batch in enumerate(first):
            if done and is_late and is_late():
                left = sum(map(len, first[done:]))
                self._asker.progress.note(f"--hours: {left:,} of {len(asks):,} requests left out")
                break
            self._add(batch, "pairs")
        for turn in range(ROUNDS[effort] if good else 0):
            if is_late and is_late():
                self._asker.progress.note("--hours: facts asked about too little stay so")
                break
            self._add(list(_again(written, DRAWS[effort] + turn)), "facts asked about too little")
            self._rewrite(turn)

    def _add(self, asks: list[Ask], label: str) -> None:
        """Ask for pairs, confirm and keep them; the bar shows what was kept so far."""
        written = self._written
        preview = PairCollection(written.sections, written.facts, written.checks, written.kept_back)
        for pair in written.kept:
            preview.keep(pair)

        def detail(ask: Ask, text: str) -> str:
            for pair in _pairs_of(ask, text):
                preview.add(pair)
            return preview.summary()

        found = self._asker.replies(asks, label, detail, self._later)
        self._confirm([pair for ask, text in found for pair in _pairs_of(ask, text)])

    def _later(self, ask: Ask, row: Row) -> Iterator[Ask]:
        """Yield the requests by which the pairs in a reply will be judged.

        Second answers wait until all are known: those about a section share its prompt.
        """
        if ask.group in ("lessons", "again"):
            for pair in _pairs_of(ask, row["text"]):
                if not self._written.is_kept(pair) and not self._written.reason(pair):
                    yield is_right_answer(self._written.judged(pair))

    def _confirm(self, pairs: list[Pair]) -> None:
        """Keep the pairs that pass the checks, are judged right, and are answered alike twice."""
        good = list(self._new(pair for pair in pairs if not self._is_dropped(pair)))
        judged = [self._written.judged(pair) for pair in good]
        asks = [is_right_answer(one) for one in judged]
        self.answers.calibrate(lambda: wrong_answers(judged), asks)
        right: list[Pair] = []
        for pair, wrong in zip(good, self.answers.rejects(asks), strict=True):
            if wrong:
                self._written.drop(pair, "the writer takes the answer for wrong")
            else:
                right.append(pair)
        twice = _written_twice(pairs)
        seconds = {
            pair: second_answer(pair.question, self._written.sections[pair.section])
            for pair in right
            if pair not in twice
        }
        found = dict(self._asker.replies(list(seconds.values()), "second answers"))
        for pair in right:
            if pair in seconds and not agrees(pair.answer, found[seconds[pair]]):
                self._written.drop(pair, "a second answer says something else")
            else:
                self._written.keep(pair)

    def _rewrite(self, turn: int) -> None:
        """Ask questions in other words, where a fact has few or none from everyday life.

        The rewritten questions are kept that the writer takes for the same. Those made from a pair
        that is not kept itself, as it comes near the exam, are confirmed as other pairs are.
        """
        asks = self._rewrites(turn)
        found = dict(self._asker.replies(list(asks.values()), "questions in other words"))
        rewritten = [
            (source, Pair(source.section, "rewrite", question, source.answer))
            for source, ask in asks.items()
            for question in questions_in(found[ask])
        ]
        good = [
            (source, pair)
            for source, pair in rewritten
            if not self._written.is_kept(pair) and not self._is_dropped(pair)
        ]
        kept = [self._written.judged(pair) for pair in self._written.kept]
        same = [is_same_question(self._written.judged(one), pair.question) for one, pair in good]
        self._questions.calibrate(lambda: other_questions(kept), same)
        unconfirmed: list[Pair] = []
        for (source, pair), other in zip(good, self._questions.rejects(same), strict=True):
            if other:
                self._written.drop(pair, "asks something else than the question it was made from")
            elif self._written.is_kept(source):
                self._written.keep(pair)
            else:
                unconfirmed.append(pair)
        self._confirm(unconfirmed)

    def _rewrites(self, turn: int) -> dict[Pair, Ask]:
        """Return the requests for rewritten questions by the pair that each is made from."""
        asks: dict[Pair, Ask] = {}
        for fact in self._written.all_facts():
            about = self._written.about(fact)
            sources = about or self._written.near_exam(fact)
            everyday = any(pair.style in EVERYDAY for pair in about)
            if sources and (len(about) < PAIRS_PER_FACT or not everyday):
                pair = sources[turn % len(sources)]
                parts = (("path", fact.path), ("question", pair.question), ("answer", pair.answer))
                section = self._written.sections[pair.section]
                asks[pair] = Ask("again", "rewrite", section, 3, parts, turn)
        return asks

    def _new(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs that were not written before; drop the others."""
        seen: set[tuple[str, str]] = set()
        for pair in pairs:
            key = (question_key(pair), " ".join(words(pair.answer)))
            if key in seen or self._written.is_kept(pair):
                self._written.drop(pair, ASKED_BEFORE)
            else:
                seen.add(key)
                yield pair

    def _is_dropped(self, pair: Pair) -> bool:
        reason = self._written.reason(pair)
        if reason:
            self._written.drop(pair, reason)
        return bool(reason)


def _pairs_of(ask: Ask, text: str) -> Iterator[Pair]:
    """Yield the pairs in the reply to a request."""
    for question, answer in pairs_in(text):
        yield Pair(ask.section.id, ask.name, question, answer)


def _written_twice(pairs: Iterable[Pair]) -> set[Pair]:
    """Return the pairs that another request gave too, with an answer that agrees."""
    by_question: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_question[question_key(pair)].append(pair)
    return {
        pair
        for alike in by_question.values()
        for pair in alike
        if any(p.style != pair.style and agrees(p.answer, pair.answer) for p in alike)
    }


def second_answer(question: str, section: Section) -> Ask:
    """Return the request for another answer to a question, with its section in view."""
    return Ask("check", "answer", section, 1, parts=(("question", question),))


def _first_round(written: PairCollection, effort: str) -> Iterator[Ask]:
    """Ask in each style about each section, and about each statement that has facts."""
    for turn in range(DRAWS[effort]):
        for section in written.sections.values():
            number = min(MAX_PAIRS, max(MIN_PAIRS, ceil(len(section.text) / CHARACTERS_PER_PAIR)))
            for style in QUICK_SECTION_STYLES if effort == "quick" else SECTION_STYLES:
                yield Ask("lessons", style, section, number, turn=turn)
        for style in FACT_STYLES:
            yield from _about(written.all_facts(), written, style, turn)


def _batches(asks: list[Ask]) -> list[list[Ask]]:
    """Return the first style for all sections, then the others for a few sections each."""
    others: dict[str, list[Ask]] = defaultdict(list)
    for ask in asks:
        if ask.name != asks[0].name:
            others[ask.section.id].append(ask)
    sections = list(others.values())
    parts = [sections[i : i + BATCH] for i in range(0, len(sections), BATCH)]
    first = [ask for ask in asks if ask.name == asks[0].name]
    return [first, *([ask for section in part for ask in section] for part in parts)]


def _again(written: PairCollection, turn: int) -> Iterator[Ask]:
    """Ask about the facts of each statement that too few pairs ask about."""
    missed = [fact for fact in written.all_facts() if len(written.about(fact)) < PAIRS_PER_FACT]
    return _about(missed, written, "statement", turn)


def _about(
    facts: Iterable[SectionFact], written: PairCollection, style: str, turn: int
) -> Iterator[Ask]:
    """Ask in one style about the statements that hold some facts."""
    values: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for fact in facts:
        value = fact.value if len(fact.value) <= MAX_VALUE_CHARACTERS else fact.statement
        values[fact.section, fact.path, fact.statement][value] = None
    for (section, path, statement), named in values.items():
        parts = (("path", path), ("statement", statement), ("values", "; ".join(named)))
        number = min(MAX_STYLE_PAIRS[style], 2 + len(named))
        yield Ask("again", style, written.sections[section], number, parts, turn)
