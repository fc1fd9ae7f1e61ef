"""Questions about a fact, by rule: direct ones with a short answer, and looser ones in many forms.

A direct question is made out of the statement's own grammar (subject, verb, rest; found with a
closed list of verbs) or a table's columns, and knows the words that answer it. The looser forms
put keywords of the statement into frames. Knows nothing of files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from localtune.lessons.facts import Fact
from localtune.lessons.grammar import Clause, clause_of, span_questions

STOP = frozenset(
    """a an and any are as at be been by can could do does each every for from had has have if in into is it its may might
    more most must no not of on or our out over per shall should so such than that the their them then there these they
    this those to under up upon us was we were what when where which while who whom will with would you your""".split()
)
PREFIXES = ("", "", "", "", "Question: ", "Hello. ", "Please help. ", "Quick question: ", "A colleague asks: ", "About {t}: ", "At {o}: ")
FRAMES = (
    "{k}", "{k}?", "What about {k}?", "Tell me about {k}.", "What is known about {k}?", "What do the documents say about {k}?",
    "{k}, please", "Information on {k}", "What does {t} say about {k}?", "Look up: {k}", "Which rule covers {k}?", "How is it with {k}?",
    "{w} {k}?", "{w} {k}?", "{w} is {k}?", "{w} are {k}?", "{w} do I {k}?", "{w} can I {k}?", "{w} does {k}?", "I need to know: {k}",
)
EXAM_FRAMES = ("Could you explain to me what holds for {k}?", "I would like to learn something: {k}. What is stated?")
CLOZES = ("Complete: {c} …", "Complete this statement: {c} …", "Finish the sentence: {c} …", "Go on: {c} …")
WH = ("What", "When", "Where", "Who", "How", "How many", "How much", "Which", "How long")


@dataclass(frozen=True)
class Question:
    """A question, and the short answers that satisfy it (none for the loose forms)."""

    text: str
    answers: tuple[str, ...] = ()


def direct_questions(fact: Fact) -> list[Question]:
    """Return the questions that the fact's own words allow, each with its short answers."""
    if fact.kind == "row":
        return [q for column, value in fact.cells for q in _about_cell(fact.topic, column, value)]
    if fact.kind == "faq":
        return [Question(fact.topic, _answers_in(fact.statement))]
    if fact.kind == "item" and (named := re.match(r"([^:]{2,60}): (.{1,60})$", fact.statement)):
        return _about_term(named[1], named[2].rstrip("."))
    clause = clause_of(fact.statement)
    return [Question(text, answers) for text, answers in span_questions(clause)] if clause else []


def loose_question(fact: Fact, r: Random) -> str:
    """Draw one of the forms that need no grammar: keywords in a frame, or a beginning to go on with."""
    words = fact.statement.split()
    if r.random() < 0.12 and len(words) > 5:
        cut = r.randint(3, max(3, len(words) * 2 // 3))
        return r.choice(CLOZES).format(c=" ".join(words[:cut]))
    return r.choice(FRAMES).format(k=keywords(fact, r), t=fact.title, w=r.choice(WH))


def with_prefix(text: str, fact: Fact, r: Random) -> str:
    """Put a question behind one of the ways people begin; some drop capitals and the mark."""
    text = r.choice(PREFIXES).format(t=fact.headings[-1] if fact.headings else fact.title, o=fact.title) + text
    return text.lower().rstrip("?.") if r.random() < 0.12 else text


def keywords(fact: Fact, r: Random) -> str:
    """Draw 2-6 content words of the statement and its topic, mostly in order."""
    source = f"{fact.topic} {fact.statement}" if fact.kind != "faq" else fact.topic if r.random() < 0.6 else fact.statement
    if fact.kind == "row" and r.random() < 0.7:
        column, _ = r.choice(fact.cells)
        source = r.choice([f"{column} {fact.topic}", f"{fact.topic} {column}"])
    words = list(dict.fromkeys(w.strip(".,;:()\"'“”?!–") for w in source.split()))
    words = [w for w in words if w and w.lower() not in STOP] or words
    if r.random() < 0.25 and fact.headings:
        words = [w for w in fact.headings[-1].split() if w.lower() not in STOP][:2] + words
    take = sorted(r.sample(range(len(words)), min(len(words), r.randint(2, 6))))
    if r.random() < 0.25:
        r.shuffle(take)
    return " ".join(words[i] for i in take)


def _about_cell(name: str, column: str, value: str) -> list[Question]:
    what = column[:1].lower() + column[1:] if not column.isupper() else column
    forms = ("What is the {c} of {n}?", "What is the {c} for {n}?", "Which {c} does {n} have?", "{n}: what is the {c}?", "Tell me the {c} of {n}.")
    return [Question(form.format(c=what, n=name), (value,)) for form in forms]


def _about_term(term: str, value: str) -> list[Question]:
    forms = ("What is stated for {n}?", "What is {n}?", "What holds for {n}?", "What does it say under {n}?")
    return [Question(form.format(n=term), (value,)) for form in forms]


_SHORT = re.compile(
    r"[£$€]\s?\d[\d,.]*\d|[£$€]\d|\b\d{1,2}[:.]\d\d(?: ?[ap]\.?m\b)?|\b\d{1,2} ?[ap]\.?m\b|\b\d[\d,.]*\d\b|\b\d+\b"
    r"|(?<=[a-z,] )[A-Z][a-z]+ [A-Z][a-z]+\b"
)


def _answers_in(text: str) -> tuple[str, ...]:
    """The one number, time, amount or name in a text; nothing where there are several or none."""
    found = _SHORT.findall(text)
    return (found[0].rstrip(".,"),) if len(found) == 1 else ()


__all__ = ["Clause", "Question", "direct_questions", "keywords", "loose_question", "with_prefix"]
