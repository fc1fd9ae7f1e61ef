"""sections -> questions with their answers, until every fact is asked about by several of them.

Many pairs per fact in varied wording are what makes a fact extractable (Allen-Zhu and Li 2023,
arXiv:2309.14316). A first round asks for pairs about each section in several styles. Further rounds
name the facts that too few pairs ask about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil

from localtune.lessons.facts import facts_of
from localtune.lessons.grounding import content
from localtune.lessons.ledger import Ledger
from localtune.lessons.similarity import words
from localtune.lessons.teacher.agreement import agrees
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.requests import Ask, pairs_in, questions_in, replies
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.trial import without_failing
from localtune.progress import Progress
from localtune.writing import Writer

PAIRS_PER_FACT = 3
STYLES = {
    "quick": ("cover", "short", "everyday"),
    "normal": ("cover", "short", "everyday", "synonyms", "reverse"),
    "max": ("cover", "short", "everyday", "synonyms", "reverse"),
}
DRAWS = {"quick": 1, "normal": 1, "max": 3}  # of each request for a section
ROUNDS = {"quick": 1, "normal": 2, "max": 3}  # about facts that too few pairs ask about
CHARACTERS_PER_PAIR = 110
MIN_PAIRS, MAX_PAIRS = 3, 12  # asked for in one request
MAX_VALUE_CHARACTERS = 60  # a longer fact is named by its whole statement
ASKED_BEFORE = "the question was asked before"
TWO_ANSWERS = "the same question has two answers"
EVERYDAY = ("everyday", "rewrite")


@dataclass(frozen=True)
class Pair:
    """A question and its answer; `style` is the request that it comes from."""

    section: str  # its id
    style: str
    question: str
    answer: str


@dataclass
class Written:
    """The pairs that were written: those kept, and those dropped with the reason."""

    sections: dict[str, Section]
    facts: dict[str, list[SectionFact]]
    checks: Checks
    kept: list[Pair] = field(default_factory=list)
    dropped: list[tuple[Pair, str]] = field(default_factory=list)
    _questions: dict[str, Pair | None] = field(default_factory=dict)
    _about: dict[SectionFact, list[Pair]] = field(default_factory=lambda: defaultdict(list))

    def add(self, pair: Pair, reason: str = "") -> bool:
        """Keep a pair, or drop it for a given reason or for one that the checks find."""
        section = self.sections[pair.section]
        reason = reason or self.checks.reason(pair.question, pair.answer, section)
        key = " ".join(words(pair.question))
        if not reason and key in self._questions:
            reason = self._repeated(key, pair)
        if reason:
            self.dropped.append((pair, reason))
            return False
        self._questions[key] = pair
        self.kept.append(pair)
        for fact in self.facts[pair.section]:
            if is_about(pair, fact):
                self._about[fact].append(pair)
        return True

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

    def about(self, fact: SectionFact) -> list[Pair]:
        """Return the kept pairs that ask about a fact."""
        return self._about.get(fact, [])

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


def write_pairs(
    writer: Writer, written: Written, ledger: Ledger, effort: str, progress: Progress
) -> None:
    """Write pairs about all sections, and again about the facts that were missed.

    What the ledger holds is not asked again. Raises what the writer raises.
    """
    for section in written.sections.values():
        for fact in facts_of([vars(section)]):
            if fact.kind == "faq":
                written.add(Pair(section.id, "document", fact.topic, fact.statement))
    asks = list(_first_round(written.sections.values(), effort))
    good, trial = without_failing(writer, asks, written.passes, ledger, progress)
    _add(writer, written, good or trial, ledger, progress, "sections")
    if not good:
        return
    for turn in range(ROUNDS[effort]):
        again = list(_again(written, turn))
        _add(writer, written, again, ledger, progress, "facts asked about too little")
        _rewrite(writer, written, turn, ledger, progress)


def _first_round(sections: Iterable[Section], effort: str) -> Iterator[Ask]:
    for section in sections:
        pairs = ceil(len(section.text) / CHARACTERS_PER_PAIR)
        for turn in range(DRAWS[effort]):
            for style in STYLES[effort]:
                number = min(MAX_PAIRS, max(MIN_PAIRS, pairs))
                yield Ask("lessons", style, section, number, turn=turn)


def _again(written: Written, turn: int) -> Iterator[Ask]:
    """Ask about the facts of each statement that no pair asks about, or too few."""
    missed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for fact in written.all_facts():
        about = len(written.about(fact))
        if about < (1 if turn else PAIRS_PER_FACT):
            value = fact.value if len(fact.value) <= MAX_VALUE_CHARACTERS else fact.statement
            missed[fact.section, fact.statement].append(value)
    for (section, statement), values in missed.items():
        parts = (("statement", statement), ("values", "; ".join(dict.fromkeys(values))))
        number = min(MAX_PAIRS, 2 + len(values))
        yield Ask("again", "statement", written.sections[section], number, parts, turn)


def _add(
    writer: Writer,
    written: Written,
    asks: list[Ask],
    ledger: Ledger,
    progress: Progress,
    label: str,
) -> None:
    """Ask for pairs, confirm and keep them; the bar shows what was kept so far."""
    preview = Written(written.sections, written.facts, written.checks)
    for pair in written.kept:
        preview.add(pair)

    def detail(ask: Ask, text: str) -> str:
        for question, answer in pairs_in(text):
            preview.add(Pair(ask.section.id, ask.name, question, answer))
        return preview.summary()

    found = list(replies(writer, asks, ledger, progress, label, detail))
    pairs = [
        Pair(ask.section.id, ask.name, question, answer)
        for ask, text in found
        for question, answer in pairs_in(text)
    ]
    _confirm(writer, written, pairs, ledger, progress)


def _confirm(
    writer: Writer, written: Written, pairs: list[Pair], ledger: Ledger, progress: Progress
) -> None:
    """Keep the pairs that pass the checks and whose question is answered alike a second time."""
    good: list[Pair] = []
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        reason = written.checks.reason(pair.question, pair.answer, written.sections[pair.section])
        key = (" ".join(words(pair.question)), " ".join(words(pair.answer)))
        if reason or key in seen:
            written.add(pair, reason or ASKED_BEFORE)
        else:
            seen.add(key)
            good.append(pair)
    asks = [second_answer(pair.question, written.sections[pair.section]) for pair in good]
    answers = replies(writer, asks, ledger, progress, "second answers")
    for pair, (_, answer) in zip(good, answers, strict=True):
        same = agrees(pair.answer, answer)
        written.add(pair, "" if same else "a second answer says something else")


def second_answer(question: str, section: Section) -> Ask:
    """Return the request for another answer to a question, with its section in view."""
    return Ask("check", "answer", section, 1, parts=(("question", question),))


def _rewrite(
    writer: Writer, written: Written, turn: int, ledger: Ledger, progress: Progress
) -> None:
    """Ask kept questions in other words, where a fact has few or none from everyday life."""
    asks: dict[Pair, Ask] = {}
    for fact in written.all_facts():
        about = written.about(fact)
        everyday = any(pair.style in EVERYDAY for pair in about)
        if about and (len(about) < PAIRS_PER_FACT or not everyday):
            pair = about[turn % len(about)]
            parts = (("question", pair.question), ("answer", pair.answer))
            section = written.sections[pair.section]
            asks[pair] = Ask("again", "rewrite", section, 3, parts, turn)
    found = replies(writer, list(asks.values()), ledger, progress, "questions in other words")
    pairs = [
        Pair(pair.section, "rewrite", question, pair.answer)
        for pair, (_, text) in zip(asks, found, strict=True)
        for question in questions_in(text)
    ]
    _confirm(writer, written, pairs, ledger, progress)
