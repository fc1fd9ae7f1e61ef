"""facts -> lessons from a value back to what it belongs to: "What is £38?" - its statement.

What a model learned in one direction it does not know in the other (Berglund et al. 2023,
arXiv:2309.12288), and a teacher of 1.5B does not turn questions around (docs/decisions/0036). So
the statement is the answer, and the question one of a few forms in the document's language.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random

from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.requests import PROMPTS

MAX_STATEMENTS = 2  # that hold a value; one that stands everywhere tells nothing
MAX_STATEMENT_CHARACTERS = 300
KINDS = ("number", "name", "cell")


def reversed_pairs(
    facts: Iterable[SectionFact], language: str, seed: int
) -> Iterator[tuple[str, str, str]]:
    """Yield a section's id, a question about a value, and the statements that hold it."""
    forms = PROMPTS["reverse"].get(language, PROMPTS["reverse"]["en"])
    holding: dict[str, dict[str, SectionFact]] = defaultdict(dict)
    for fact in facts:
        if fact.kind in KINDS and len(fact.statement) <= MAX_STATEMENT_CHARACTERS:
            holding[fact.value][fact.statement] = fact
    r = Random(seed)
    for value, statements in holding.items():
        if len(statements) <= MAX_STATEMENTS:
            first = next(iter(statements.values()))
            yield first.section, r.choice(forms).replace("{value}", value), " ".join(statements)
