"""One passage and a writer -> what the ledger keeps of it: questions with answers, restated pieces.

Facts first, then questions about each in many wordings (what makes a fact extractable: Allen-Zhu
and Li 2023, arXiv:2309.14316), then answers with the passage in view. An answer is kept if it is
grounded there and two of up to three samples agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localtune.lessons.budget import Share
from localtune.lessons.grounding import (
    agreed,
    askable,
    content,
    declines,
    grounded,
    stands_alone,
)
from localtune.lessons.requests import LONG, REQUESTS, WARM, an_object, ask, seed_of, text, texts
from localtune.lessons.requests import where as where_of
from localtune.writing import UnusableError, Writer

Row = dict[str, Any]
ASK = REQUESTS["lessons"]
SAMPLES = 3  # of an answer, at most: where the first two agree there are two
ANSWER = an_object(answer=text())


class About:
    """What is written about one passage; counts what was made of it and what of that was kept."""

    def __init__(self, passage: Row, writer: Writer) -> None:
        self.passage, self.writer = passage, writer
        self.whole = f"{where_of(passage)}\n\n{passage['text']}"
        self.made = self.kept = self.unusable = 0

    def ask(self, request: str, schema: Row, turn: int = 0, **parts: object) -> Row:
        """Return an answer of the schema's shape, {} where none can be used.

        The first of several `turn`s says what is likeliest, the others are drawn.
        """
        said = ASK[request].format(where=where_of(self.passage), **parts)
        seed, warmth = seed_of(self.passage["text"], said, str(turn)), WARM if turn else 0.0
        try:
            return ask(self.writer, self.passage, said, schema, seed=seed, temperature=warmth)
        except UnusableError:
            self.unusable += 1
            return {}

    def counted(self, good: bool) -> bool:
        """Count one text, and whether it is kept."""
        self.made, self.kept = self.made + 1, self.kept + good
        return good

    def facts(self, number: int) -> list[str]:
        """Return at most so many sentences that the passage holds, no two alike."""
        listed = self.ask("facts", an_object(facts=texts(1, number)), n=number).get("facts", [])
        if not listed:
            self.counted(False)
        found: list[str] = []
        for fact in map(_tidy, listed[:number]):
            if self.counted(stands_alone(fact) and grounded(fact, self.whole)):
                found += [] if any(content(fact) == content(known) for known in found) else [fact]
        return found

    def questions(self, fact: str, forward: int) -> Iterator[tuple[str, str]]:
        """Yield (kind, question) about a fact, each wording once."""
        schema = an_object(forward=texts(forward, forward), reverse=text(), cloze=text())
        asked = self.ask("questions", schema, 1, n=forward, fact=fact)
        yield from (("forward", question) for question in asked.get("forward", [])[:forward])
        if asked:
            yield "reverse", asked["reverse"]
        if asked and "___" in asked["cloze"]:
            yield "cloze", f"Fill in the blank: {asked['cloze']}"

    def across(self) -> Iterator[tuple[str, str]]:
        """Yield the questions that need more than one fact."""
        asked = self.ask("passage", an_object(comparison=text(), multi_fact=text()))
        yield from ((kind.replace("_", "-"), question) for kind, question in asked.items())

    def answer(self, question: str) -> str:
        """Return what two samples agree on and the passage holds, "" where there is no such."""
        samples: list[str] = []
        for number in range(SAMPLES):
            made = self.ask("answer", ANSWER, number, question=question)
            said = _tidy(made.get("answer", ""))
            samples += [said] if self._fits(said, question) else []
            if len(samples) + SAMPLES - 1 - number < 2:
                return ""
            if found := agreed(samples):
                return found
        return ""

    def _fits(self, said: str, question: str) -> bool:
        alone = stands_alone(said) and not declines(said)
        return alone and grounded(said, self.whole, question)

    def restated(self, question: str) -> str:
        """Return a few sentences about one question, "" where they say more than the passage."""
        said = self.ask("restated", an_object(text=text(LONG)), 1, question=question)
        told = _tidy(said.get("text", ""))
        good = len(told.split()) >= 8 and grounded(told, self.whole)
        return told if self.counted(good) else ""

    def unknown(self, number: int) -> Iterator[str]:
        """Yield questions about what the passage doesn't name."""
        for turn in range(1, number + 1):
            asked = self.ask("unknown", an_object(name=text(60), question=text()), turn)
            if asked and is_invented(asked["name"], asked["question"], self.whole):
                yield _tidy(asked["question"])


def write_about(passage: Row, share: Share, writer: Writer) -> Row:
    """Return {"lessons": [{kind, question, answer}], "texts", "unknown", "made", "kept", …}."""
    about = About(passage, writer)
    facts = about.facts(share.facts)
    asked = [pair for fact in facts for pair in about.questions(fact, share.forward)]
    asked += about.across() if facts else ()
    lessons = list(_answered(about, asked))
    spread = lessons[:: max(1, len(lessons) // max(1, share.restated))][: share.restated]
    pieces = ((row["question"], about.restated(row["question"])) for row in spread)
    return {
        "lessons": lessons,
        "texts": [{"question": question, "text": piece} for question, piece in pieces if piece],
        "unknown": list(about.unknown(share.unknown)) if lessons else [],
        "made": about.made,
        "kept": about.kept,
        "unusable": about.unusable,
    }


def _answered(about: About, asked: list[tuple[str, str]]) -> Iterator[Row]:
    """Yield the questions that have an answer to keep, each wording once."""
    seen: set[tuple[str, ...]] = set()
    for kind, said in asked:
        question = _tidy(said)
        key = tuple(content(question))
        if key in seen:
            continue
        seen.add(key)
        answer = about.answer(question) if askable(question, about.whole) else ""
        if about.counted(bool(answer)):
            yield {"kind": kind, "question": question, "answer": answer}


def is_invented(name: str, question: str, known: str) -> bool:
    """Whether a question asks about a name that a text doesn't know."""
    named, held = content(name), set(content(known))
    asked = set(content(question))
    return bool(named) and set(named) <= asked and not any(word in held for word in named)


def _tidy(said: str) -> str:
    return " ".join(said.split())
