"""What a clause can be asked for: the names, amounts, times, numbers and places in it.

Takes clauses (grammar.py), gives `Asked`: a question in its parts, with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localtune.lessons.grammar import DANGLING, Clause

MONEY = r"(?:[£$€]\s?\d[\d,.]*\d|[£$€]\d)"
COUNT = (
    r"(?:(?<![\d:.,£$€–-])\d[\d,]*(?:\.\d+)?(?![\d:]|\.\d)|two|three|four|five|six|seven|eight|nine"
    r"|ten|eleven|twelve|fourteen|fifteen|twenty|thirty|forty|fifty|sixty|ninety)"
)
CLOCK = r"(?:\d{1,2}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|noon|midnight)"
MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
DATE = rf"(?:\d{{1,2}} {MONTH}(?: \d{{4}})?|{MONTH} \d{{1,2}}(?:, \d{{4}})?|{_DAY}s?|{MONTH})"
_WHEN = rf"(?:{CLOCK}|{DATE})"
_TIME = re.compile(
    rf"\b(at|from|until|by|before|after|on|in|every|between)\s+(?:the (?:last|first) )?({_WHEN})"
    rf"(?: (?:to|and|until|on|at|or) {_WHEN})*(?: (?:morning|afternoon|evening|night)s?)?"
    r"(?! (?:of|and|or|to)\b|\w)",
)
_AMOUNT = re.compile(rf"(?:^|\b(for|at|to|of|by) )(?:up to |about |at most |at least )?({MONEY})")
_NUMBER = re.compile(
    r"(?:^|\b(?<!up )(?<!after )(for|within|after|in|by|with|at|to|every|room for) )"
    rf"(?:the |up to |about |at most |at least |no more than )?({COUNT})\s+"
    r"((?:[a-z-]+ )?(?:[a-z-]+s|people|sheep|cattle|children|per cent))\b(?! ago)"
    r"( of(?: the)?(?: (?!(?:a|an|the|at|in|on|for|to|and|or|before|after|each|every|per)\b)"
    r"[a-z-]+){1,3})?",
)
_PLACE = re.compile(
    r"(?:^|(?<=kept )|(?<=stored )|(?<=held )|(?<=found )|(?<=served )|(?<=parked ))"
    r"((?:in|on|behind|beside|next to|opposite|above|below|under|inside|near|at) "
    r"((?:(?:the|a|an) |[A-Z])[\w'-]*(?: (?!in |on |at |of |for |from |to |until )[\w'-]+){0,4})"
    r"(?: of (?:the )?[\w'-]+(?: [A-Z0-9][\w'-]*)*)?)(?!\.?\w)"
)
_NO_PLACE = re.compile(
    rf"\b(?:same|day|week|month|year|morning|evening|afternoon|time|case|event|way|{MONTH}|{_DAY}s?"
    r"|\d+(?:st|nd|rd|th)|(?:first|last)(?! floor)|basis|rate|end|company)\b"
)
_NAME = re.compile(r"^(?:(?:Dr|Mr|Mrs|Ms)\.? )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2}$")
_BY = re.compile(r"\bby ([A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2})\b(?! and| or)")
_OBJECT = re.compile(r"^(?:(?:the|a|an) )((?!same |whole |one )[\w'-]+(?: [\w'-]+){1,3})$")


@dataclass(frozen=True)
class Asked:
    """A question about one span of a clause, in its parts; any of `answers` will do.

    `sort` is what is asked for: who, money, time, number, place or object. Where the subject is
    what is asked for, `subject` is empty.
    """

    sort: str
    wh: str
    subject: str
    verb: str
    inverted: str
    rest: str
    answers: tuple[str, ...]

    @property
    def question(self) -> str:
        """The plain question: "When does the hall open?"."""
        return f"{self.wh} {self.inverted}?"

    @property
    def stated(self) -> str:
        """The clause in the order of a statement, without its answer: "the hall opens"."""
        return " ".join(f"{self.subject} {self.verb} {self.rest}".split())


def span_questions(clause: Clause, common: frozenset[str]) -> Iterator[Asked]:
    """Ask for the names, amounts, times, numbers and places in a clause, else for its object."""
    asks = [_persons(clause, common), _amounts(clause), _times(clause)]
    asks += [_numbers(clause), _places(clause)]
    found = [asked for some in asks for asked in some] or list(_object(clause))
    return (asked for asked in found if not DANGLING.search(asked.question))


def _ask(sort: str, wh: str, c: Clause, rest: str, *answers: str) -> Asked:
    return Asked(sort, wh, c.subject, c.verb, c.inverted(rest), rest, answers)


def is_name(text: str, common: frozenset[str]) -> bool:
    """Whether a text looks like a person's name: capitals, and no word that is a common one."""
    return bool(_NAME.match(text)) and not common & set(text.lower().split())


def _persons(c: Clause, common: frozenset[str]) -> Iterator[Asked]:
    if is_name(c.subject, common) and c.verb in ("is", "was"):
        yield Asked("who", "Who", c.rest, c.verb, f"{c.verb} {c.rest}", "", (c.subject,))
    elif is_name(c.subject, common):
        yield Asked("who", "Who", "", c.verb, f"{c.verb} {c.rest}", c.rest, (c.subject,))
    elif c.verb in ("is", "are") and is_name(c.rest, common):
        yield _ask("who", "Who", c, "", c.rest)
    elif (by := _BY.search(c.rest)) and is_name(by[1], common):
        yield _ask("who", "By whom", c, _without(c.rest, by), by[1])


def _amounts(c: Clause) -> Iterator[Asked]:
    found = list(_AMOUNT.finditer(c.rest))
    if len(found) == 1 and found[0][1] != "of":
        wh = f"{found[0][1].capitalize()} how much" if found[0][1] else "How much"
        yield _ask("money", wh, c, _without(c.rest, found[0]), found[0][2])


def _times(c: Clause) -> Iterator[Asked]:
    if match := _TIME.search(c.rest):
        wh = {"by": "By when", "until": "Until when"}.get(match[1], "When")
        yield _ask("time", wh, c, _without(c.rest, match), match[2])


def _numbers(c: Clause) -> Iterator[Asked]:
    """ "within five days of delivery" -> "Within how many days of delivery …?"; only one number."""
    found = list(_NUMBER.finditer(c.rest))
    if len(found) != 1 or re.search(r"\b(?:and|or) (?:up to )?\d", c.rest):
        return
    (match,) = found
    before, number, thing, of = match.groups()
    if thing.split()[0] in _NO_UNIT or (before == "in" and thing.split()[-1] not in _SPANS):
        return
    rest, answers = _without(c.rest, match), (f"{number} {thing}", number)
    if before == "every":
        yield _ask("number", "How often", c, rest, match[0])
    elif before == "room for":
        start, end = match.span()
        rest = f"{c.rest[:start]}room {c.rest[end:]}".strip()
        yield _ask("number", f"For how many {thing}{of or ''}", c, rest, *answers)
    else:
        wh = f"{before.capitalize()} how many" if before else "How many"
        yield _ask("number", f"{wh} {thing}{of or ''}", c, rest, *answers)


_SPANS = frozenset("minutes hours days weeks months years".split())
_NO_UNIT = frozenset("hundred thousand million of in at for on the to by from and or".split())


def _places(c: Clause) -> Iterator[Asked]:
    match = _PLACE.search(c.rest)
    copula = c.verb in ("is", "are") or c.base in ("lie", "stand", "hang", "sit", "meet")
    if match and copula and not _NO_PLACE.search(match[1]):
        yield _ask("place", "Where", c, _without(c.rest, match), match[1], _bare(match[2]))


def _object(c: Clause) -> Iterator[Asked]:
    match = _OBJECT.match(c.rest)
    if match and (c.base or c.verb in ("is", "are")):
        yield _ask("object", "What", c, "", match[1])


def _without(rest: str, match: re.Match[str]) -> str:
    return " ".join(f"{rest[: match.start()]} {rest[match.end() :]}".split())


def _bare(phrase: str) -> str:
    return re.sub(r"^(the|a|an) ", "", phrase)
