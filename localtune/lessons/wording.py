"""Questions about a fact in many wordings, by rule.

A direct question is made out of the statement's own grammar (spans.py) or a table's columns, and
knows the words that answer it; `reworded` asks the same in other forms. A loose question puts
keywords of the statement (keywords.py) behind the question word for something the statement holds.
Knows nothing of files.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from random import Random
from typing import Any

from localtune.lessons.facts import Fact
from localtune.lessons.grammar import base_of, clauses_of, is_verb
from localtune.lessons.keywords import Index, keywords
from localtune.lessons.orders import orders_in
from localtune.lessons.spans import Asked, is_name, plain_questions, span_questions
from localtune.lessons.values import CLOCK, COUNT, DATE, MONEY

FORMS: dict[str, Any] = tomllib.loads(
    files("localtune.lessons").joinpath("forms.toml").read_text("utf-8")
)
CELLS = FORMS["cells"]
# What a statement holds, how that is found, and the words that ask for it.
ASKED_BY = (
    ("money", re.compile(MONEY), ("How much", "What price", "What amount")),
    ("clock", re.compile(rf"\b(?:{CLOCK})\b"), ("When", "What time", "At what time")),
    ("date", re.compile(rf"\b(?:{DATE})\b"), ("When", "On which day", "What date")),
    (
        "span",
        re.compile(rf"\b{COUNT} (?:minute|hour|day|week|month|year)s?\b"),
        ("How long", "When"),
    ),
    ("count", re.compile(rf"\b{COUNT}\b(?! ?[:–-]?\d)"), ("How many", "What number", "How much")),
    ("who", re.compile(r"(?:(?<=\w )|^)[A-Z]\w+ [A-Z]\w+\b"), ("Who", "Which person")),
    (
        "where",
        re.compile(r"\b(?:in|on|behind|beside|opposite|near|at) the [\w' ]{3,30}\b"),
        ("Where",),
    ),
    ("why", re.compile(r"\b(?:because|so that|since)\b.*"), ("Why",)),
)
PRONOUNS = frozenset("you we i people everyone there".split())
_FIRST_PERSON = [
    (re.compile(rf"\b{pattern}\b"), said)
    for pattern, said in (
        ("are you", "am I"), ("you are", "I am"), ("you're", "I'm"), ("your", "my"),
        ("yours", "mine"), ("yourself", "myself"), ("you", "I"), ("Your", "My"), ("You", "I"),
    )
]  # fmt: skip
_PREPOSITION = re.compile(r"\s(?:in|on|at|for|from|to|by|with|of|before|after|during|until)\s")
NOTHING_HELD = ("What", "How", "Which", "What rule for")


@dataclass(frozen=True)
class Question:
    """A question, and the short answers that satisfy it (none for the loose forms)."""

    text: str
    answers: tuple[str, ...] = ()


def asked_of(fact: Fact, common: frozenset[str]) -> list[Asked]:
    """What the clauses of a fact's statement can be asked for.

    `common` holds the words that are no part of a name (facts.common_words).
    """
    if fact.kind in ("row", "faq"):
        return []
    clauses = clauses_of(fact.statement, common)
    found = [asked for clause in clauses for asked in span_questions(clause, common)]
    return found or [*plain_questions(fact.statement), *orders_in(fact.statement)]


def direct_questions(fact: Fact, common: frozenset[str]) -> list[Question]:
    """Return the questions that the fact's own words allow, each with its short answers."""
    if fact.kind == "row":
        return [
            Question(form.format(**parts), (value,))
            for column, value in fact.cells
            for parts in [_cell(fact.topic, column, value, common)]
            for form in _column_forms(column)
        ]
    if fact.kind == "faq":
        return [Question(fact.topic)]
    if term := _term(fact):
        return [Question(form.format(n=term[0]), (term[1],)) for form in FORMS["terms"]["of"]]
    return [Question(asked.question, asked.answers) for asked in asked_of(fact, common)]


def reworded(fact: Fact, common: frozenset[str]) -> list[str]:
    """Return every other form in which the direct questions of a fact can be asked."""
    if fact.kind == "row":
        cells = [_cell(fact.topic, column, value, common) for column, value in fact.cells]
        forms = (*CELLS["other"], *CELLS["of_noun"], *CELLS["of_any"])
        made = [form.format(**parts) for parts in cells for form in forms]
        return made + list(_named_columns(cells))
    asked = [form for one in asked_of(fact, common) for form in (one, *_shorter(one))]
    return [text for one in asked for text in (*_forms(one), *_by_verb(one))]


def _shorter(asked: Asked) -> Iterator[Asked]:
    """The same with a shorter end: without what follows the first and the last preposition."""
    ends = [match.start() for match in _PREPOSITION.finditer(asked.rest)]
    for end in dict.fromkeys(ends[:1] + ends[-1:]):
        rest = asked.rest[:end].strip()
        if rest and asked.inverted.endswith(asked.rest):
            inverted = asked.inverted.removesuffix(asked.rest) + rest
            yield replace(asked, rest=rest, inverted=inverted)


def _forms(asked: Asked) -> Iterator[str]:
    """All forms of one question; the special ones only where their parts make sense."""
    said, wh = asked.stated, asked.wh[:1].lower() + asked.wh[1:]
    subject, predicate = asked.subject, f"{asked.verb} {asked.rest}".strip()
    parts = {"W": asked.wh, "w": wh, "q": asked.inverted, "s": said, "S": _upper(said)}
    parts |= {"n": subject, "N": _upper(subject), "p": predicate}
    yield from (form.format(**parts) for form in (*FORMS["any"], *FORMS["by_sort"][_sort(asked)]))


def _sort(asked: Asked) -> str:
    """What is asked for, as the lists of forms tell it apart."""
    if asked.sort == "who":
        return "by" if asked.wh == "By whom" else "is who" if asked.subject else "who"
    spans = asked.sort == "number" and re.search(
        r"(?:minute|hour|day|week|month|year)s?\b", asked.wh
    )
    return "span" if spans else asked.sort


def _by_verb(asked: Asked) -> Iterator[str]:
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


def in_first_person(text: str) -> str:
    """Ask as the person that the document addresses: "may you keep your key" -> "may I keep my"."""
    for pattern, said in _FIRST_PERSON:
        text = pattern.sub(said, text)
    return text


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
    return what, r.choice(ask), f"{text[:start]} {text[end:]}"


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
    if fact.kind == "faq" and r.random() < 0.7:
        return fact.topic
    if fact.kind == "sentence" and r.random() < 0.7:
        return f"{fact.topic} {fact.statement}"
    return fact.statement


def with_prefix(text: str, fact: Fact, r: Random) -> str:
    """Now and then begin as people do, or drop capitals and the mark."""
    if r.random() < 0.4:
        topic = fact.headings[-1] if fact.headings else fact.title
        text = f"{r.choice(FORMS['prefixes']).format(t=topic, o=fact.title)} {text}"
    return text.lower().rstrip("?.") if r.random() < 0.12 else text


def _read_synonyms() -> dict[str, list[str]]:
    lines = files("localtune.lessons").joinpath("synonyms.txt").read_text("utf-8").splitlines()
    groups = [line.split(", ") for line in lines if not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for first, *others in groups:
        found.setdefault(first, []).extend(others)
    return found


SYNONYMS = _read_synonyms()
REPLACED = 1 / 3
_SAID = re.compile(
    "|".join(rf"\b{re.escape(several)}\b" for several in SYNONYMS if not several.isalpha())
    + r"|[A-Za-z]+"
)


def with_synonyms(text: str, r: Random) -> str:
    """Say some words otherwise (synonyms.txt), each with a chance of REPLACED."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        some = SYNONYMS.get(word.lower(), ())
        if not some or (word[0].isupper() and match.start()) or r.random() > REPLACED:
            return word
        return _upper(r.choice(some)) if word[0].isupper() else r.choice(some)

    return _SAID.sub(other, text)


def _cell(name: str, column: str, value: str, common: frozenset[str]) -> dict[str, str]:
    """The parts of a question about a table's cell."""
    what = column[:1].lower() + column[1:] if column.split()[0].lower() in common else column
    asks = [ask[0] for _, pattern, ask in ASKED_BY if pattern.search(value)]
    name = "the" + name[3:] if name.startswith("The ") else name
    be = "are" if re.search(r"[^s]s$", what) else "is"
    return {"be": be, "c": what, "n": name, "v": value, "w": asks[0] if asks else "What"}


def _named_columns(cells: list[dict[str, str]]) -> Iterator[str]:
    """The forms that need no column's name: it asks by itself, or only one cell holds money."""
    for parts in cells:
        named = (
            forms for name, forms in CELLS["named"].items() if name in parts["c"].lower().split()
        )
        yield from (form.format(**parts) for forms in named for form in forms)
    priced = [parts for parts in cells if re.search(MONEY, parts["v"])]
    if len(priced) == 1:
        yield from (form.format(**priced[0]) for form in CELLS["money"])


def _column_forms(column: str) -> list[str]:
    """The forms that fit a column's name: "the price of …" wants a noun."""
    noun = re.fullmatch(r"[\w'-]+(?: [\w'-]+){0,2}", column)
    open_end = column.endswith((" by", " for", " at", " to", " in"))
    usual = noun and not open_end and not is_verb(column.split()[0].lower())
    return [*CELLS["of_noun"], *CELLS["of_any"]] if usual else CELLS["of_any"]


def _term(fact: Fact) -> tuple[str, str] | None:
    """Term and value of a list item like "Shoes: soft soles only"."""
    named = re.match(r"([^:()]{2,60}): (.{1,60})$", fact.statement) if fact.kind == "term" else None
    return (named[1], named[2].rstrip(".")) if named else None


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
