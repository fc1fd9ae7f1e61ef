"""passages.jsonl -> exam.jsonl, written by a model before any lesson, by prompts of its own.

Each section is asked about in three kinds: direct, everyday, reverse. An answer is a detail that
occurs verbatim in the section and in a second answer given with the section in view.
Near-misses, which nothing answers, are the fourth kind. What the base answers without the documents
goes to a second list: it cannot show that anything was learned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from localtune.config.stages import ExamConfig
from localtune.declining import REFUSALS, UNANSWERABLE
from localtune.lessons.agreement import agrees
from localtune.lessons.facts import id_of
from localtune.lessons.grounding import content, stems
from localtune.lessons.keywords import stem
from localtune.lessons.ledger import Ledger
from localtune.lessons.similarity import ExamQuestions, words
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.facts import SectionFact, facts_in
from localtune.lessons.teacher.judge import Judge, is_right_answer, judge_of_answers, wrong_answers
from localtune.lessons.teacher.near_misses import NearMisses
from localtune.lessons.teacher.pair import Judged, Pair
from localtune.lessons.teacher.pairs import second_answer
from localtune.lessons.teacher.requests import PROMPTS, Ask, Asker, pairs_in
from localtune.lessons.teacher.sections import Section, sections_of
from localtune.lessons.teacher.trial import without_failing
from localtune.llama.writing import NotUsableError, Writer
from localtune.progress import Progress
from localtune.workspace import read_jsonl, write_jsonl

Row = dict[str, Any]
Knows = Callable[[list[Row], Progress], set[str]]
REQUESTS = ("direct", "everyday", "reverse")
FACTS_PER_QUESTION = 3
ASKED_FACTOR = 2.5  # questions asked for, for each one wanted: many cannot be used
MAX_ANSWER_WORDS = 8
WRONG_EXAM_ANSWERS_FOUND = 0.98  # share of those known to be wrong; lessons lose fewer right ones
MIN_QUESTIONS = 4  # that are wanted, however few facts there are
UNANSWERABLE_SHARE = 0.1
OTHER_WORDS_SHARE = 0.3  # of a paraphrase's words are not those of the section


@dataclass(frozen=True)
class ExamFiles:
    """Where a written exam comes from and goes to; `known` is the second list."""

    passages: Path
    exam: Path
    known: Path
    ledger: Path


def write_exam_with(
    writer: Writer,
    knows: Knows,
    fill: Callable[[int], Iterable[Row]],
    files: ExamFiles,
    config: ExamConfig,
    progress: Progress,
) -> int:
    """Write at most `config.questions` questions and return their number.

    At least a third as many questions as there are facts are wanted. `fill` returns questions that
    rules make, for those that the writer could not make; `knows` returns the ids of the questions
    that the base answers by itself. Raises NotUsableError where there is none, and what the
    writer raises.
    """
    sections = sections_of(read_jsonl(files.passages))
    facts = facts_in(sections)
    asker = Asker(writer, Ledger(files.ledger), progress)
    checks, judge = Checks(sections), judge_of_answers(asker, WRONG_EXAM_ANSWERS_FOUND)
    total = sum(map(len, facts.values()))
    wanted = min(config.questions, max(MIN_QUESTIONS, ceil(total / FACTS_PER_QUESTION)))
    rows = list(_answerable(asker, checks, judge, facts, sections))
    made = list(_apart(_without_contradictions(rows), []))
    known_ids = knows(made, progress)
    known = [row for row in made if row["id"] in known_ids]
    useful = [row for row in made if row["id"] not in known_ids]
    number = int(wanted * UNANSWERABLE_SHARE)
    crossing = NearMisses(sections, facts, config.seed)
    misses = list(_near_misses(crossing.write(asker, _as_pairs(made), number)))
    chosen = _in_proportion(useful, facts, sections, wanted - len(misses), config.seed) + misses
    asker.ledger.keep_used()
    if len(chosen) < wanted:
        by_rule = list(_apart(fill(wanted), [*chosen, *known]))[: wanted - len(chosen)]
        progress.note(f"{len(by_rule)} exam questions are made by rule: too few others can be used")
        chosen += by_rule
    if not chosen:
        raise NotUsableError(
            f"Of what {writer.identity} wrote for the exam no question can be used.",
            "Choose a larger base or another --teacher, or --lessons structure.",
        )
    write_jsonl(files.known, known)
    write_jsonl(files.exam, chosen)
    _report(chosen, known, progress)
    return len(chosen)


def _answerable(
    asker: Asker,
    checks: Checks,
    judge: Judge,
    facts: dict[str, list[SectionFact]],
    sections: list[Section],
) -> Iterator[Row]:
    """Yield the usable questions about each section."""
    asks = []
    for section in sections:
        number = ASKED_FACTOR * len(facts[section.id]) / FACTS_PER_QUESTION / len(REQUESTS)
        asks += [Ask("exam", kind, section, max(2, ceil(number))) for kind in REQUESTS]

    def usable(ask: Ask, question: str, answer: str) -> bool:
        detail = _bare(answer)
        return (
            not checks.reason(question, detail, ask.section)
            and not checks.has_other_answer(question, detail, ask.section)
            and _is_detail(detail, question, ask.section)
        )

    def found_in(ask: Ask, text: str) -> Iterator[Judged]:
        for question, answer in pairs_in(text):
            if usable(ask, question, answer):
                yield checks.with_statement(Judged(ask.section, question, _bare(answer)))

    def later(ask: Ask, row: Row) -> Iterator[Ask]:
        for one in found_in(ask, row["text"]) if ask.group == "exam" else ():
            yield is_right_answer(one)

    asks, _ = without_failing(asker, asks, usable, later)
    replies = asker.replies(asks, "sections", later=later)
    good = list(dict.fromkeys(one for ask, text in replies for one in found_in(ask, text)))
    judged = [is_right_answer(one) for one in good]
    judge.calibrate(lambda: wrong_answers(good), judged)
    wrong = judge.rejects(judged)
    right = [one for one, is_wrong in zip(good, wrong, strict=True) if not is_wrong]
    asks = [second_answer(one.question, one.section) for one in right]
    for one, (_, second) in zip(right, asker.replies(asks, "second answers"), strict=True):
        if agrees(one.answer, second) and _holds(second, one.answer):
            kind = _kind(one.question, one.section, facts[one.section.id])
            yield _row(one.section, kind, one.question, [one.answer])


def _kind(question: str, section: Section, facts: list[SectionFact]) -> str:
    """Return the kind of a question by its words, whichever kind was asked for.

    "reverse" gives an amount or a cell and asks what it belongs to; "paraphrase" has words that the
    section does not have.
    """
    asked, known = set(content(question)), stems(section.whole)
    values = [fact.words for fact in facts if fact.kind in ("number", "cell")]
    if any(words and words <= asked for words in values):
        return "reverse"
    other = [word for word in asked if stem(word) not in known]
    return "paraphrase" if len(other) >= OTHER_WORDS_SHARE * len(asked) else "direct"


def _bare(answer: str) -> str:
    return answer.strip(" .\"'")


def _is_detail(answer: str, question: str, section: Section) -> bool:
    """Whether an answer occurs verbatim in the section, and not in its question."""
    said = words(answer)
    apart = not _holds(question, answer)
    return 0 < len(said) <= MAX_ANSWER_WORDS and apart and _holds(section.whole, answer)


def _holds(text: str, part: str) -> bool:
    return f" {' '.join(words(part))} " in f" {' '.join(words(text))} "


def _row(section: Section, kind: str, question: str, answers: list[str]) -> Row:
    return {
        "id": id_of(section.id, question),
        "question": question,
        "answers": answers,
        "document": section.document,
        "kind": kind,
        "passage": section.passage,
        "section": section.id,
    }


def _as_pairs(rows: Iterable[Row]) -> list[Pair]:
    return [Pair(row["section"], "exam", row["question"], row["answers"][0]) for row in rows]


def _near_misses(found: Iterable[tuple[str, str]]) -> Iterator[Row]:
    """Yield questions that nothing answers; declining is the right answer."""
    declined: dict[str, list[str]] = PROMPTS["declined"]
    other_languages = [
        said.rstrip(".") for name in declined if name != "en" for said in declined[name]
    ]
    for question, document in found:
        yield {
            "id": id_of(UNANSWERABLE, question),
            "question": question,
            "answers": [*REFUSALS, *other_languages],
            "document": document,
            "kind": UNANSWERABLE,
        }


def _in_proportion(
    rows: list[Row],
    facts: dict[str, list[SectionFact]],
    sections: list[Section],
    number: int,
    seed: int,
) -> list[Row]:
    """Choose questions so that each document has its share by its facts, and one at least."""
    weight: dict[str, int] = defaultdict(int)
    for section in sections:
        weight[section.document] += len(facts[section.id])
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in Random(seed).sample(rows, len(rows)):
        waiting[row["document"]].append(row)
    taken: dict[str, int] = defaultdict(int)
    chosen: list[Row] = []
    while len(chosen) < number and any(waiting.values()):
        # The document that is furthest below its share (Webster's method of apportionment).
        document = max(
            (name for name, left in waiting.items() if left),
            key=lambda name: (not taken[name], weight[name] / (2 * taken[name] + 1)),
        )
        chosen.append(waiting[document].pop())
        taken[document] += 1
    return chosen


def _without_contradictions(rows: list[Row]) -> Iterator[Row]:
    """Yield each question once, unless it is asked elsewhere with another answer."""
    by_words: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_words[" ".join(sorted(set(content(row["question"]))))].append(row)
    for same in by_words.values():
        if all(agrees(same[0]["answers"][0], row["answers"][0]) for row in same):
            yield min(same, key=lambda row: len(row["answers"][0]))


def _apart(rows: Iterable[Row], before: list[Row]) -> Iterator[Row]:
    """Yield the questions that do not ask for the same in nearly the same words as another."""
    asked = list(before)
    for row in rows:
        same = [one["question"] for one in asked if agrees(one["answers"][0], row["answers"][0])]
        if not ExamQuestions(same).is_near(row["question"]):
            asked.append(row)
            yield row


def _report(chosen: list[Row], known: list[Row], progress: Progress) -> None:
    documents = len({row["document"] for row in chosen})
    kinds = defaultdict[str, int](int)
    for row in chosen:
        kinds[row["kind"]] += 1
    listed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    many = "document" if documents == 1 else "documents"
    progress.note(f"{len(chosen)} exam questions about {documents} {many}: {listed}")
    if known:
        progress.note(
            f"{len(known)} more are answered by the base already; they are in exam-known.jsonl"
        )
