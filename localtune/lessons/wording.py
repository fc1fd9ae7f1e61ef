"""Questions about a fact, by rule: direct ones with a short answer, and looser ones in many forms.

A direct question is made out of the statement's own grammar (grammar.py) or a table's columns, and
knows the words that answer it. The looser forms put keywords of the statement into frames, behind
the question word that fits what the statement holds. Knows nothing of files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from localtune.lessons.facts import Fact
from localtune.lessons.grammar import CLOCK, COUNT, DATE, MONEY, clause_of, is_verb, span_questions

STOP = frozenset(
    """a an and any are as at be been by can could did do does each every for from had has have he
    her his how i if in into is it its may me might more most must my no not of on or our out over
    per shall she should so such than that the their them then there these they this those to under
    up upon us was we were what when where which while who whom will with would yes you your
    """.split()
)
PREFIXES = (
    "Question:|Hello.|Please help.|Quick question:|A colleague asks:|About {t}:|At {o}:".split("|")
)
FRAMES = """
{k}|{k}?|What about {k}?|Tell me about {k}.|What is known about {k}?|{k}, please|Information on {k}
|What do the documents say about {k}?|What does {t} say about {k}?|Look up: {k}
|Which rule covers {k}?|How is it with {k}?|I need to know: {k}
""".replace("\n", "").split("|")
ASKING = """
{w} {k}?|{w} {k}?|{w} is {k}?|{w} are {k}?|{w} do I {k}?|{w} can I {k}?|{w} does {k}?
""".replace("\n", "").split("|")
CLOZES = """
Complete: {c} …|Complete this statement: {c} …|Finish the sentence: {c} …|Go on: {c} …
""".strip("\n").split("|")
# What a statement holds -> the words that ask for it.
ASKED_BY = (
    (re.compile(MONEY), ("How much", "What price", "What")),
    (re.compile(rf"\b(?:{CLOCK}|{DATE})\b"), ("When", "What time", "On which day")),
    (re.compile(rf"\b{COUNT}\b", re.I), ("How many", "How long", "How much", "What number")),
    (re.compile(r"(?<=\w )[A-Z]\w+ [A-Z]\w+\b"), ("Who", "Who", "Which")),
    (re.compile(r"\b(?:in|on|behind|beside|opposite|near|at) the\b"), ("Where",)),
    (re.compile(r"\bbecause\b|\bso that\b"), ("Why",)),
    (re.compile(r""), ("What", "How", "Which")),
)
SHORT = re.compile(
    rf"{MONEY}|\b{CLOCK}\b|\b\d[\d,.]*\d\b|\b\d+\b|(?<=[a-z,] )[A-Z][a-z]+ [A-Z][a-z]+\b"
)


@dataclass(frozen=True)
class Question:
    """A question, and the short answers that satisfy it (none for the loose forms)."""

    text: str
    answers: tuple[str, ...] = ()


def direct_questions(fact: Fact, common: frozenset[str]) -> list[Question]:
    """Return the questions that the fact's own words allow, each with its short answers.

    `common` holds the words that are no part of a name (facts.common_words).
    """
    if fact.kind == "row":
        return [
            q
            for column, value in fact.cells
            for q in _about_cell(fact.topic, column, value, common)
        ]
    if fact.kind == "faq":
        return [Question(fact.topic)]
    if fact.kind == "item" and (named := re.match(r"([^:]{2,60}): (.{1,60})$", fact.statement)):
        return _about_term(named[1], named[2].rstrip("."))
    clause = clause_of(fact.statement, common)
    return [Question(*asked) for asked in span_questions(clause, common)] if clause else []


def loose_question(fact: Fact, r: Random) -> str:
    """Draw a form that needs no grammar: keywords in a frame, or a beginning to go on with."""
    words = fact.statement.split()
    how = r.random()
    if how < 0.12 and len(words) > 5:
        cut = r.randint(3, max(3, len(words) * 2 // 3))
        return r.choice(CLOZES).format(c=" ".join(words[:cut]))
    frame = r.choice(ASKING if how < 0.6 else FRAMES)
    return frame.format(k=keywords(fact, r), t=fact.title, w=question_word(fact, r))


def question_word(fact: Fact, r: Random) -> str:
    """Draw a word that asks for something the statement holds."""
    fitting = [words for pattern, words in ASKED_BY if pattern.search(fact.statement)]
    return r.choice(r.choice(fitting))


def with_prefix(text: str, fact: Fact, r: Random) -> str:
    """Now and then begin as people do, or drop capitals and the mark."""
    if r.random() < 0.55:
        topic = fact.headings[-1] if fact.headings else fact.title
        text = f"{r.choice(PREFIXES).format(t=topic, o=fact.title)} {text}"
    return text.lower().rstrip("?.") if r.random() < 0.12 else text


def keywords(fact: Fact, r: Random) -> str:
    """Draw some words of the statement and its topic: a run of them, or 2-6 content words.

    Mostly without what a question would ask for: amounts, times, numbers, names.
    """
    source = _source(fact, r)
    if r.random() < 0.7:
        source = SHORT.sub(" ", source)
    if r.random() < 0.35 and len(run := source.split()) > 3:
        begin = r.randrange(len(run) - 2)
        return " ".join(run[begin : begin + r.randint(3, 7)]).strip(" .,;:?!–")
    words = _content(source) or _content(fact.statement) or fact.statement.split()
    if r.random() < 0.25 and fact.headings:
        words = _content(fact.headings[-1])[:2] + words
    take = sorted(r.sample(range(len(words)), min(len(words), r.randint(2, 6))))
    if r.random() < 0.25:
        r.shuffle(take)
    return " ".join(words[i] for i in take)


def _source(fact: Fact, r: Random) -> str:
    """Where the keywords come from: a table row's name and a column, an FAQ's question, …"""
    if fact.kind == "row" and r.random() < 0.7:
        column, _ = r.choice(fact.cells)
        return r.choice([f"{column} {fact.topic}", f"{fact.topic} {column}"])
    if fact.kind == "faq":
        return fact.topic if r.random() < 0.6 else fact.statement
    return f"{fact.topic} {fact.statement}"


def _content(text: str) -> list[str]:
    words = dict.fromkeys(word.strip(".,;:()\"'“”?!–") for word in text.split())
    return [word for word in words if word and word.lower() not in STOP]


def _about_cell(name: str, column: str, value: str, common: frozenset[str]) -> list[Question]:
    what = column[:1].lower() + column[1:] if column.split()[0].lower() in common else column
    name = "the" + name[3:] if name.startswith("The ") else name
    noun = re.fullmatch(r"[\w'-]+(?: [\w'-]+){0,2}(?<! by)(?<! for)(?<! at)(?<! to)(?<! in)", what)
    forms = (*NOUN_COLUMN, *ANY_COLUMN) if noun and not is_verb(what.split()[0]) else ANY_COLUMN
    be = "are" if re.search(r"[^s]s$", what) else "is"
    return [Question(form.format(be=be, c=what, n=name), (value,)) for form in forms]


NOUN_COLUMN = (
    "What {be} the {c} of {n}?",
    "What {be} the {c} for {n}?",
    "Which {c} does {n} have?",
    "Tell me the {c} of {n}.",
)
ANY_COLUMN = ("{n}: what is given under “{c}”?", "What does the table say for {n} under “{c}”?")


def _about_term(term: str, value: str) -> list[Question]:
    forms = (
        "What is stated for {n}?",
        "What is {n}?",
        "What holds for {n}?",
        "What does it say under {n}?",
    )
    return [Question(form.format(n=term), (value,)) for form in forms]
