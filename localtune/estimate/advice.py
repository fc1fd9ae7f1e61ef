"""Passages -> whether tuning is the right tool for them, with the shares that say so.

A tuned model answers from what it has learned, in its own words, and keeps that until it is tuned
again. It is the wrong tool for what must be quoted to the digit, and for what is another tomorrow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from localtune.lessons.facts import Fact, facts_of

FEW_WORDS = 400  # these fit into any prompt
FEW_FACTS = 20
IN_PROMPT = 2_000  # words that most models can be given with every question
TABLES, NUMBERS, CHANGING = 0.5, 0.6, 0.4  # shares of facts from which on retrieval is better
_NUMBER = re.compile(r"\d")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_CHANGING = re.compile(
    # a whole date, a price, or a word that says of itself that it won't last
    rf"\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}\b|\b\d{{1,2}} {_MONTH} \d{{4}}\b"
    rf"|\b{_MONTH} \d{{1,2}}, \d{{4}}\b|[$€£¥] ?\d|\b\d[\d.,]* ?(?:[$€£¥]|euros?|dollars?|USD|EUR)"
    r"|\b(?:today|tomorrow|yesterday|currently|this week|in stock|sold out)\b",
    re.I,
)


@dataclass(frozen=True)
class Advice:
    """`use` is "tuning", "both" or "retrieval"; `why` in sentences; `shares` what was measured."""

    use: str
    why: tuple[str, ...]
    words: int
    facts: int
    shares: dict[str, float]


def advise(passages: Iterable[dict[str, Any]]) -> Advice:
    """Look at all passages of a corpus; nothing is sampled."""
    rows = list(passages)
    facts = facts_of(rows)
    words = sum(len(row["text"].split()) for row in rows)
    shares = _shares(facts)
    against = list(_against(words, len(facts), shares))
    use = "retrieval" if against else "tuning"
    why = against
    if not against and words < IN_PROMPT:
        use = "both"
        why = [
            f"{words:,} words also fit into a prompt: a large model that is given them with every "
            "question needs no tuning."
        ]
    return Advice(use, tuple(why), words, len(facts), shares)


def _shares(facts: list[Fact]) -> dict[str, float]:
    """Return the shares of facts that are rows of tables, hold a number, or won't last."""
    counted: Counter[str] = Counter()
    for fact in facts:
        counted["tables"] += fact.kind == "row"
        counted["numbers"] += bool(_NUMBER.search(fact.statement))
        counted["changing"] += bool(_CHANGING.search(fact.statement))
    total = max(1, len(facts))
    return {kind: round(counted[kind] / total, 3) for kind in ("tables", "numbers", "changing")}


def _against(words: int, facts: int, shares: dict[str, float]) -> Iterable[str]:
    if words < FEW_WORDS or facts < FEW_FACTS:
        yield (
            f"There is too little to learn from: {words:,} words, {facts:,} facts (a build wants "
            f"{FEW_WORDS} and {FEW_FACTS}). Give a model these documents with each question."
        )
    if shares["tables"] >= TABLES and shares["numbers"] >= NUMBERS:
        yield (
            f"{shares['tables']:.0%} of the facts are rows of tables, and {shares['numbers']:.0%} "
            "hold numbers. A model remembers numbers badly, and never says that it doesn't: look "
            "them up."
        )
    if shares["changing"] >= CHANGING:
        yield (
            f"{shares['changing']:.0%} of the facts hold a date, a price or the like, which change "
            "sooner than a model is tuned again. Look them up."
        )
