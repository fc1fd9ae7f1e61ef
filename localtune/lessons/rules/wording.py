"""Questions about a fact in many wordings, by rule.

A direct question is made out of the statement's own grammar (spans.py) or a table's columns, and
knows the words that answer it; `reworded` asks the same in other forms. A loose question puts
keywords of the statement (lessons/keywords.py) behind the question word for something the statement
holds. Knows nothing of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from localtune.lessons.facts import Fact, sentences
from localtune.lessons.keywords import Index, keywords
from localtune.lessons.rules.forms import ASKED_BY, FORMS
from localtune.lessons.rules.grammar import Clause, base_of, clauses_of, upper_first
from localtune.lessons.rules.orders import orders_in
from localtune.lessons.rules.rough import rough_clauses, rough_questions
from localtune.lessons.rules.spans import (
    SpanQuestion,
    end_questions,
    is_name,
    plain_questions,
    span_questions,
)
from localtune.lessons.rules.table_rows import cell_questions, row_questions
from localtune.lessons.values import CLOCK, COUNT, DATE, MONEY

PRONOUNS = frozenset("you we i people everyone there".split())
_PREPOSITION = re.compile(r"\s(?:in|on|at|for|from|to|by|with|of|before|after|during|until)\s")
_VALUE = re.compile(rf"{MONEY}|\b(?:{CLOCK})\b|\b(?:{DATE})\b|(?<!\S){COUNT}(?!\S)")
NO_VALUES = 0.8  # share of loose questions that hold no number
NOTHING_HELD = ("What", "How", "Which", "What rule for")


@dataclass(frozen=True)
class Question:
    """A question, and the short answers that satisfy it (none for the loose forms)."""

    text: str
    answers: tuple[str, ...] = ()


def asked_of(fact: Fact, common: frozenset[str]) -> list[SpanQuestion]:
    """What the clauses of a fact's statement can be asked for.

    `common` holds the words that are no part of a name (facts.common_words).
    """
    if fact.kind in ("row", "faq"):
        return []
    return _asked_of(fact.statement, clauses_of(fact.statement, common), common)


def _asked_of(statement: str, clauses: list[Clause], common: frozenset[str]) -> list[SpanQuestion]:
    found = [asked for clause in clauses for asked in span_questions(clause, common)]
    return found or [*plain_questions(statement), *orders_in(statement)]


def direct_questions(fact: Fact, common: frozenset[str]) -> list[Question]:
    """Return the questions that the fact's own words allow, each with its short answers."""
    if fact.kind == "row":
        return [Question(text, (value,)) for text, value in cell_questions(fact, common)]
    if fact.kind == "faq":
        return [Question(fact.topic)]
    if term := _term(fact):
        return [Question(form.format(n=term[0]), (term[1],)) for form in FORMS["terms"]["of"]]
    return [Question(asked.question, asked.answers) for asked in asked_of(fact, common)]


def reworded(fact: Fact, common: frozenset[str]) -> list[str]:
    """Return every other form in which the direct questions of a fact can be asked."""
    if fact.kind == "row":
        return row_questions(fact, common)
    # The other sentences of an answer are facts of their own.
    stated = sentences(fact.statement)[0] if fact.kind == "faq" else fact.statement
    clauses = clauses_of(stated, common)
    ends = (end for clause in clauses for end in end_questions(clause))
    found = [*_asked_of(stated, clauses, common), *ends]
    asked = [form for one in found for form in (one, *_shorter(one))]
    whole = [text for one in asked for text in (*_forms(one), *_by_verb(one))]
    return [*whole, *_rough(stated, common)]


def _rough(stated: str, common: frozenset[str]) -> Iterator[str]:
    """The questions of rough.py, and what its clauses can be asked for in plain forms."""
    yield from rough_questions(stated)
    for clause, front in rough_clauses(stated):
        for asked in (*span_questions(clause, common), *end_questions(clause)):
            for form in (asked, *_shorter(asked)) if not front else (asked,):
                yield f"{form.question.rstrip('?')} {front}".strip() + "?"
                yield form.question


def _shorter(asked: SpanQuestion) -> Iterator[SpanQuestion]:
    """The same with a shorter end: without what follows the first and the last preposition."""
    ends = [match.start() for match in _PREPOSITION.finditer(asked.rest)]
    for end in dict.fromkeys(ends[:1] + ends[-1:]):
        rest = asked.rest[:end].strip()
        if rest and asked.inverted.endswith(asked.rest):
            inverted = asked.inverted.removesuffix(asked.rest) + rest
            yield replace(asked, rest=rest, inverted=inverted)


def _forms(asked: SpanQuestion) -> Iterator[str]:
    """All forms of one question; the special ones only where their parts make sense."""
    said, wh = asked.stated, asked.wh[:1].lower() + asked.wh[1:]
    subject, predicate = asked.subject, f"{asked.verb} {asked.rest}".strip()
    parts = {"W": asked.wh, "w": wh, "q": asked.inverted, "s": said, "S": upper_first(said)}
    parts |= {"n": subject, "N": upper_first(subject), "p": predicate}
    yield from (form.format(**parts) for form in (*FORMS["any"], *FORMS["by_sort"][_sort(asked)]))


def _sort(asked: SpanQuestion) -> str:
    """What is asked for, as the lists of forms tell it apart."""
    if asked.sort == "who":
        return "by" if asked.wh == "By whom" else "is who" if asked.subject else "who"
    spans = asked.sort == "number" and re.search(
        r"(?:minute|hour|day|week|month|year)s?\b", asked.wh
    )
    return "span" if spans else asked.sort


def _by_verb(asked: SpanQuestion) -> Iterator[str]:
    """How people ask who don't know the verb: "How late is the hall open?" for "closes at"."""
    words = [asked.verb, *asked.rest.split()[:2]]
    verbs = {base for word in words if (base := base_of(word))}
    rest = re.sub(r"^(?:after|for|to|on|in|at|with|of) ", "", asked.rest.split(" and ")[0])
    subject = asked.subject or rest
    if not rest + asked.subject or subject.split()[0].lower() in PRONOUNS:
        return
    many = asked.inverted.startswith(("do ", "are ", "were "))
    many |= bool(re.search(r"[^sui]s$", _PREPOSITION.split(f"{subject} ")[0].strip()))
    for some in FORMS["by_verb"]:
        if some["sort"] == _sort(asked) and verbs & set(some["verbs"].split()):
            for form in some["forms"]:
                text = form.format(n=subject, r=rest)
                yield _plural(text, subject) if many else text


def _plural(text: str, subject: str) -> str:
    """Put the verb before or behind a plural subject into the plural."""
    for one, several in (("is", "are"), ("does", "do")):
        text = text.replace(f"{one} {subject}", f"{several} {subject}")
    return text.replace(f"{subject} is", f"{subject} are")


def loose_question(fact: Fact, index: Index, common: frozenset[str], r: Random) -> str:
    """Draw a form that needs no grammar: keywords in a frame, or a beginning to go on with."""
    words = fact.statement.split()
    how = r.random()
    if how < 0.1 and len(words) > 5:
        cut = r.randint(3, max(3, len(words) * 2 // 3))
        return str(r.choice(FORMS["clozes"])).format(c=" ".join(words[:cut]))
    what, ask, source = _hole(_source(fact, r), common, r)
    frames = FORMS["asking_for"][what] if what and how < 0.5 else FORMS["asking"]
    frame = str(r.choice(frames if how < 0.7 else FORMS["frames"]))
    return frame.format(k=keywords(source, fact, index, r), t=fact.title, w=ask)


def _hole(text: str, common: frozenset[str], r: Random) -> tuple[str, str, str]:
    """Draw something that the text holds; give its sort, what asks for it, and the text without."""
    found = _held(text, common)
    if not found or r.random() < 0.15:
        return "", r.choice(NOTHING_HELD), text
    start, end, what, ask = r.choice(found)
    before, after = text[:start], text[end:]
    if r.random() < NO_VALUES:  # nor does who asks know the other values
        before, after = _VALUE.sub(" ", before), _VALUE.sub(" ", after)
    return what, r.choice(ask), f"{before} {after}"


@lru_cache(maxsize=16)  # the same text is drawn from again and again
def _held(text: str, common: frozenset[str]) -> list[tuple[int, int, str, tuple[str, ...]]]:
    """Where a text holds something that can be asked for, and the words that ask for it."""
    return [
        (*match.span(), what, ask)
        for what, pattern, ask in ASKED_BY
        for match in pattern.finditer(text)
        if what != "who" or is_name(match[0], common)
    ]


def _source(fact: Fact, r: Random) -> str:
    """Where the keywords come from: a table row's name and a column, an FAQ's question, …"""
    if fact.kind == "row" and r.random() < 0.75:
        column, _ = r.choice(fact.cells)
        return r.choice([f"{column} {fact.topic}", f"{fact.topic} {column}"])
    if fact.kind == "faq" and r.random() < 0.4:
        return fact.topic
    if fact.kind == "sentence" and r.random() < 0.7:
        return f"{fact.topic} {fact.statement}"
    return fact.statement


def _term(fact: Fact) -> tuple[str, str] | None:
    """Term and value of a list item like "Shoes: soft soles only"."""
    named = re.match(r"([^:()]{2,60}): (.{1,60})$", fact.statement) if fact.kind == "term" else None
    return (named[1], named[2].rstrip(".")) if named else None
