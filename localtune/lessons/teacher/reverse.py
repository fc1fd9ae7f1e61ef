"""facts -> pairs from a value back to what it belongs to: "What has to do with £38?".

What a model learned in one direction it does not know in the other (Berglund et al. 2023,
arXiv:2309.12288), and a teacher of 1.5B does not turn questions around (docs/decisions/0036). So
the statement is the answer, and the question one of a few forms in the document's language.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from random import Random

from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.pair import Pair
from localtune.lessons.teacher.requests import PROMPTS, in_language

MAX_STATEMENTS = 2  # that hold a value; one that stands everywhere tells nothing
MAX_STATEMENT_CHARACTERS = 300
KINDS = ("number", "name", "cell")


def reversed_pairs(
    facts: Iterable[SectionFact], languages: Mapping[str, str], seed: int
) -> Iterator[Pair]:
    """Yield pairs that ask about a value and are answered by the statements that hold it.

    `languages` are those of the sections, by their ids. A number alone is no value.
    """
    holding: dict[str, dict[str, SectionFact]] = defaultdict(dict)
    for fact in facts:
        told = fact.kind in KINDS and not fact.value.isdecimal()
        if told and len(fact.statement) <= MAX_STATEMENT_CHARACTERS:
            holding[fact.value][fact.statement] = fact
    r = Random(seed)
    for value, statements in holding.items():
        if len(statements) <= MAX_STATEMENTS:
            section = next(iter(statements.values())).section
            forms = in_language(PROMPTS["reverse"], languages.get(section, ""))
            question = r.choice(forms).replace("{value}", value)
            yield Pair(section, "reverse", question, " ".join(statements))
