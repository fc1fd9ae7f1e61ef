"""Question and answer pairs about sections: which are kept, why others are not, what is covered."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from localtune.lessons.agreement import agrees
from localtune.lessons.grounding import content
from localtune.lessons.kept_back import KeptBack
from localtune.lessons.similarity import words
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.pair import Judged, Pair
from localtune.lessons.teacher.requests import Ask
from localtune.lessons.teacher.sections import Section

NEAR_EXAM = "near a question of the exam"
ASKED_BEFORE = "the question was asked before"
TWO_ANSWERS = "the same question has two answers"


@dataclass
class PairCollection:
    """The pairs that were written: those kept, and those dropped with the reason.

    None is kept whose question comes near one of `kept_back`.
    """

    sections: dict[str, Section]
    facts: dict[str, list[SectionFact]]
    checks: Checks
    kept_back: KeptBack = field(default_factory=KeptBack)
    kept: list[Pair] = field(default_factory=list)
    dropped: list[tuple[Pair, str]] = field(default_factory=list)
    _questions: dict[str, Pair | None] = field(default_factory=dict)
    _about: dict[SectionFact, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    _near: dict[SectionFact, list[Pair]] = field(default_factory=lambda: defaultdict(list))

    def add(self, pair: Pair) -> None:
        """Keep a pair, or drop it for a reason that the checks find."""
        reason = self.reason(pair)
        if reason:
            self.drop(pair, reason)
        else:
            self.keep(pair)

    def reason(self, pair: Pair) -> str:
        """Return why the checks drop a pair, "" if they do not."""
        reason = self.checks.reason(pair.question, pair.answer, self.sections[pair.section])
        if reason:
            return reason
        return NEAR_EXAM if self.kept_back.is_near(pair.question, pair.answer) else ""

    def drop(self, pair: Pair, reason: str) -> None:
        """Count a pair as dropped."""
        self.dropped.append((pair, reason))
        if reason == NEAR_EXAM:
            self._count(pair, self._near)

    def _count(self, pair: Pair, by_fact: dict[SectionFact, list[Pair]]) -> None:
        for fact in self.facts[pair.section]:
            if is_about(pair, fact):
                by_fact[fact].append(pair)

    def keep(self, pair: Pair) -> None:
        """Keep a pair that was checked, unless its question was asked before."""
        key = question_key(pair)
        if key in self._questions:
            self.drop(pair, self._repeated(key, pair))
            return
        self._questions[key] = pair
        self.kept.append(pair)
        self._count(pair, self._about)

    def is_kept(self, pair: Pair) -> bool:
        """Whether a pair with the same question, and an answer that agrees, is kept."""
        before = self._questions.get(question_key(pair))
        return bool(before and agrees(before.answer, pair.answer))

    def _repeated(self, key: str, pair: Pair) -> str:
        """Return why a question that was asked before is dropped; with it, if answers differ."""
        before = self._questions[key]
        if before and agrees(before.answer, pair.answer):
            return ASKED_BEFORE
        if before:
            self._questions[key] = None
            self.kept.remove(before)
            self.dropped.append((before, TWO_ANSWERS))
            for pairs in self._about.values():
                if before in pairs:
                    pairs.remove(before)
        return TWO_ANSWERS

    def passes(self, ask: Ask, question: str, answer: str) -> bool:
        """Whether a pair in the reply to a request passes the checks."""
        return not self.checks.reason(question, answer, ask.section)

    def judged(self, pair: Pair) -> Judged:
        """Return a pair with its section and the statement that it is taken from."""
        section = self.sections[pair.section]
        return self.checks.with_statement(Judged(section, pair.question, pair.answer))

    def about(self, fact: SectionFact) -> list[Pair]:
        """Return the kept pairs that ask about a fact."""
        return self._about.get(fact, [])

    def near_exam(self, fact: SectionFact) -> list[Pair]:
        """Return the pairs about a fact that were dropped as near a question of the exam."""
        return self._near.get(fact, [])

    def all_facts(self) -> list[SectionFact]:
        """Return the facts of all sections."""
        return [fact for facts in self.facts.values() for fact in facts]

    def covered(self, pairs: int) -> int:
        """Return how many facts are asked about by at least `pairs` pairs."""
        return sum(len(self.about(fact)) >= pairs for fact in self.all_facts())

    def reasons(self) -> Counter[str]:
        """Return how many pairs were dropped for each reason."""
        return Counter(reason for _, reason in self.dropped)

    def summary(self) -> str:
        """Return the figures of the moment in one line."""
        facts, made = len(self.all_facts()), len(self.kept) + len(self.dropped)
        asked = f"{self.covered(1)} of {facts} facts asked about"
        return f"{len(self.kept):,} of {made:,} pairs kept, {asked}"


def is_about(pair: Pair, fact: SectionFact) -> bool:
    """Whether a pair asks about a fact, or gives it and asks what it belongs to."""
    answer, both = set(content(pair.answer)), set(content(f"{pair.question} {pair.answer}"))
    if fact.kind in ("item", "definition"):
        return 2 * len(fact.words & both) >= len(fact.words)
    around = set(content(f"{fact.about} {fact.statement}")) - set(content(fact.value))
    reverse = fact.words <= both and bool(answer & around)
    return (fact.words <= answer or reverse) and (not around or bool(around & both))


def question_key(pair: Pair) -> str:
    """Return what is equal for equal questions."""
    return " ".join(words(pair.question))
