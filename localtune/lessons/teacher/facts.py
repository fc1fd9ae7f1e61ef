"""sections -> facts to be asked about: values in a statement, table cells, list items, definitions.

Found by their form, without grammar, in any language that separates words: numbers with what they
count, times, dates, prices, names; the cells of a table; list items and definitions without such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localtune.lessons.grounding import content
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.statements import Statement, statements_of

CAPITALISED = 0.15  # share of capitals within sentences, above which a single one is no name
MAX_NAME_WORDS = 5
_NUMBER = re.compile(
    r"(?P<money>[£$€¥]\s?\d+(?:[.,:]\d+)*)|(?P<number>\d+(?:[.,:/-]\d+)*"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty)\b)"
    r"(?P<unit>\s?(?:%|€)|[ -]?[^\W\d_]+)?",
    re.I,
)
_DEFINITION = re.compile(r"([^:.]{2,60}?)\s*(?::|\s[–—-])\s+(\S.+)")
_WORD = re.compile(r"[^\W_][\w’'-]*")
_ARTICLES = frozenset(
    "the a an der die das dem den des ein eine einem einen einer le la les un une des du el los las"
    " una il lo gli i uno o os as um uma de het een en et".split()
)
_PRONOUNS = frozenset(
    "i we you he she it they sie ihnen ihr ihre ich wir er es vous nous je".split()
)
_EMPTY = frozenset(("", "-", "–", "—", "n/a"))


@dataclass(frozen=True)
class SectionFact:
    """A value and the statement that holds it; `about` is a table row's name, or the term.

    `path` is the title and the headings above the statement.
    """

    section: str  # its id
    kind: str  # number | name | cell | item | definition
    value: str
    statement: str
    about: str = ""
    path: str = ""

    @property
    def words(self) -> frozenset[str]:
        """Return the words of the value that an answer must hold: of an amount the number."""
        words = content(self.value)
        numbers = [word for word in words if word[0].isdigit()]
        return frozenset(numbers if self.kind == "number" else words)


def facts_in(sections: Iterable[Section]) -> dict[str, list[SectionFact]]:
    """Return the facts of each section by its id, each value of a statement once."""
    listed = list(sections)
    text = "\n".join(section.text for section in listed)
    names = _Names(text)
    return {section.id: list(dict.fromkeys(_of(section, names))) for section in listed}


def _of(section: Section, names: _Names) -> Iterator[SectionFact]:
    for statement in statements_of(section):
        yield from _cells(section.id, statement)
        if statement.kind != "row":
            yield from _stated(section.id, statement, names)


def _stated(key: str, statement: Statement, names: _Names) -> Iterator[SectionFact]:
    """Yield the values of a statement; an item or definition without one is a fact itself."""
    text, path = statement.text, statement.path
    named = names.within(text)
    found = [SectionFact(key, "name", name, text, path=path) for name in named]
    left = text
    for name in named:  # a name's number is no amount
        left = left.replace(name, " ")
    amounts = map(_amount, _NUMBER.finditer(left))
    found += [SectionFact(key, "number", amount, text, path=path) for amount in amounts]
    found = [fact for fact in found if fact.words]
    definition = _DEFINITION.fullmatch(text)
    if definition and not found:
        term, said = definition.groups()
        found = [SectionFact(key, "definition", said, text, term, path)]
    elif statement.kind == "item" and not found and len(content(text)) >= 3:
        found = [SectionFact(key, "item", text, text, path=path)]
    yield from found


def _amount(match: re.Match[str]) -> str:
    """Return a number with its unit, unless that is a word such as "and"."""
    unit = match["unit"] or ""
    counts = content(unit) or unit.strip() in ("%", "€")
    return match["money"] or match["number"] + (unit if counts else "")


def _cells(key: str, row: Statement) -> Iterator[SectionFact]:
    """Yield the cells of a table's row but for the first, which names the row."""
    for _, value in row.cells[1:]:
        if value not in _EMPTY and content(value):
            yield SectionFact(key, "cell", value, row.text, row.cells[0][1], row.path)


class _Names:
    """Names by their capitals, in a language that does not capitalise every noun."""

    def __init__(self, text: str) -> None:
        self._lower = {word for word in _WORD.findall(text) if word.islower()}
        inner = [word for word in self._within(text) if word[0].isalpha()]
        capitals = sum(word[0].isupper() for word in inner)
        self._single = capitals <= CAPITALISED * max(1, len(inner))

    @staticmethod
    def _within(text: str) -> list[str]:
        """Return words that follow another word of the same sentence."""
        return re.findall(r"(?<=[\w,;] )[^\W_][\w’'-]*", text)

    def within(self, statement: str) -> list[str]:
        """Return the names that a statement holds, whole, with a number behind them ("Shed 1")."""
        runs: list[list[str]] = []
        end = 0
        for match in _WORD.finditer(statement):
            word = match[0]
            follows = bool(runs and runs[-1]) and statement[end : match.start()] == " "
            end = match.end()
            # Any word has a capital at the start of a sentence.
            starts = not match.start() and word.lower() in (self._lower | _ARTICLES)
            if word[0].isupper() and not starts and word.lower() not in _PRONOUNS:
                runs += [] if follows else [[]]
                runs[-1].append(word)
            elif follows and word.isdigit():
                runs[-1].append(word)
            else:
                runs.append([])
        return [" ".join(run) for run in runs if self._is_name(run, statement)]

    def _is_name(self, run: list[str], statement: str) -> bool:
        if len(run) == 1:
            first = statement.startswith(run[0])
            return self._single and not first and run[0].lower() not in self._lower
        return 1 < len(run) <= MAX_NAME_WORDS
