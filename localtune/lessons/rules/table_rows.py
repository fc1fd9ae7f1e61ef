"""Questions about a table's row, column by column: by its name or a value no other row has.

Takes a `Fact` of kind "row", gives questions. Knows nothing of sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.lessons.facts import Fact
from localtune.lessons.rules.forms import ASKED_BY, FORMS
from localtune.lessons.rules.grammar import is_verb
from localtune.lessons.values import MONEY

CELLS = FORMS["cells"]
# Columns of a price list that say for how long, or for whom, a price is.
_FOR_WHOM_OR_LONG = re.compile(
    r"\b(?:hour|day|night|week|month|term|season|year|adult|child|concession|student|senior|member"
    r"|guest|visitor|family|group|person|resident)",
    re.I,
)


def cell_questions(fact: Fact, common: frozenset[str]) -> list[tuple[str, str]]:
    """Return the plain questions that ask a row for each column, with the value there."""
    return [
        (form.format(**_cell(fact.topic, column, value, common)), value)
        for column, value in fact.cells
        for form in _column_forms(column)
    ]


def row_questions(fact: Fact, common: frozenset[str]) -> list[str]:
    """Return every other form: as one asks at a desk, and by other names of the row."""
    return [text for name in _names(fact, common) for text in _of_row(fact, name, common)]


def _names(fact: Fact, common: frozenset[str]) -> Iterator[str]:
    """What a table's row is called: by its first column, and by others that tell it apart."""
    yield fact.topic
    for name in fact.names:
        plain = name[:1].lower() + name[1:]
        named = name.split()[0].lower() not in common
        some = "an" if plain[0] in "aeiou" else "a"
        yield from (name,) if named else (f"the {plain}", f"{some} {plain}")


def _of_row(fact: Fact, name: str, common: frozenset[str]) -> list[str]:
    others = [(column, value) for column, value in fact.cells if value.lower() not in name.lower()]
    cells = [_cell(name, column, value, common) for column, value in others]
    forms = (*CELLS["other"], *CELLS["of_noun"], *CELLS["of_any"])
    made = [form.format(**parts) for parts in cells for form in forms]
    return made + list(_named_columns(cells))


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
    for parts in priced:
        forms = CELLS["sum_for" if _FOR_WHOM_OR_LONG.search(parts["c"]) else "sum"]
        yield from (form.format(**parts) for form in forms)


def _column_forms(column: str) -> list[str]:
    """The forms that fit a column's name: "the price of …" wants a noun."""
    noun = re.fullmatch(r"[\w'-]+(?: [\w'-]+){0,2}", column)
    open_end = column.endswith((" by", " for", " at", " to", " in"))
    usual = noun and not open_end and not is_verb(column.split()[0].lower())
    return [*CELLS["of_noun"], *CELLS["of_any"]] if usual else CELLS["of_any"]
