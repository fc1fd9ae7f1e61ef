"""Statements about invented organisations, and the same facts asked in many wordings.

Gives `Organisation`s whose facts carry one statement and can draw hundreds of questions. The words
stand in world.toml. Knows nothing of tokens or training. Everything is drawn from a
`random.Random`, so a seed fixes the whole world.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

WORLD = tomllib.loads(Path(__file__).with_name("world.toml").read_text(encoding="utf-8"))


def _words(name: str) -> list[str]:
    return [word.strip() for word in " ".join(WORLD[name].split()).split("|")]


FIRST, SECOND, BUSINESS, GIVEN = map(_words, ("first", "second", "business", "given"))
FAMILY_A, FAMILY_B, MODIFIERS = map(_words, ("family_a", "family_b", "modifiers"))
COLOURS, DAYS, MONTHS, NUMBERS = map(_words, ("colours", "days", "months", "numbers"))
STUFF, RULES_NOT, STOP = _words("stuff"), _words("rules_not"), set(_words("stop"))
THINGS = {
    sort: [thing.strip() for thing in " ".join(text.split()).split("|")]
    for sort, text in WORLD["things"].items()
}
KINDS: dict[str, dict[str, list[str]]] = WORLD["kinds"]
KEYWORDS, CLOZE = WORLD["keywords"], WORLD["cloze"]
UNITS = [
    "kg",
    "kilograms",
    "metres",
    "litres",
    "km",
    "miles",
    "tonnes",
    "cm",
    "degrees",
    "per cent",
]
SPANS = ["days", "days", "weeks", "months", "hours", "minutes", "working days", "years"]
FIRMS = ["Supplies", "Tools", "and Sons", "Traders", "Stores", "Ltd"]
UNKNOWN = "I don't know."


def money(r: Random) -> str:
    sign = r.choice("£££$€")
    whole = r.choice([r.randint(2, 99), r.randint(100, 950), r.randint(1, 40) * 50])
    return f"{sign}{whole}" + r.choice(["", "", ".50", ".25", ".80"])


def clock(r: Random) -> str:
    hour, minute = r.randint(5, 22), r.choice(["00", "15", "30", "45", "10", "20"])
    twelve, half = (hour - 1) % 12 + 1, "am" if hour < 12 else "pm"
    return r.choice(
        [
            f"{hour}:{minute}",
            f"{hour:02d}:{minute}",
            f"{twelve}:{minute} {half}",
            f"{twelve} {half}",
        ]
    )


def count(r: Random, top: int = 90) -> str:
    return r.choice([str(r.randint(2, top)), str(r.randint(2, top)), r.choice(NUMBERS)])


def length_of_time(r: Random) -> str:
    return f"{count(r, 60)} {r.choice(SPANS)}"


def date(r: Random) -> str:
    return r.choice(
        [
            f"{r.randint(1, 28)} {r.choice(MONTHS)}",
            f"the {r.randint(2, 20)}th of each month",
            f"{r.choice(DAYS)} at noon",
            f"the last {r.choice(DAYS)} of {r.choice(MONTHS)}",
            f"{r.choice(MONTHS)} {r.randint(1, 28)}",
        ]
    )


def code(r: Random) -> str:
    letters = "".join(r.choice("ABCDEFGHKLMNPRSTVWX") for _ in range(r.randint(1, 3)))
    return r.choice(
        [
            f"{letters}-{r.randint(10, 999)}",
            f"{letters}{r.randint(10, 99)}",
            f"{r.randint(1000, 9999)}",
        ]
    )


def person(r: Random) -> str:
    return f"{r.choice(GIVEN)} {r.choice(FAMILY_A) + r.choice(FAMILY_B)}"


def place(r: Random) -> str:
    return r.choice(WORLD["places"]).format(
        m=r.choice(MODIFIERS),
        n=r.choice(THINGS["place"]),
        r=r.randint(1, 420),
        c=r.choice("ABCDEFGH"),
    )


def day(r: Random) -> str:
    return r.choice(
        [
            f"every {r.choice(DAYS)}",
            f"on {r.choice(DAYS)}s",
            f"on {r.choice(DAYS)} and {r.choice(DAYS)}",
            f"every second {r.choice(DAYS)}",
            "every weekday",
            f"in {r.choice(MONTHS)}",
        ]
    )


def measure(r: Random) -> str:
    number = r.choice([r.randint(2, 90), r.randint(1, 60) * 10, r.randint(1, 19) / 2])
    return f"{number} {r.choice(UNITS)}"


def interval(r: Random) -> str:
    return r.choice(
        [
            "every day",
            "every week",
            "once a month",
            "twice a year",
            f"every {r.randint(2, 60)} days",
            f"every {r.randint(2, 30)} weeks",
            "once a year",
            f"every {r.choice(DAYS)}",
        ]
    )


VALUES: dict[str, Callable[[Random], str]] = {
    "opens": clock,
    "closes": clock,
    "cost": money,
    "deposit": money,
    "limit": count,
    "duration": length_of_time,
    "deadline": date,
    "sent_to": person,
    "extension": lambda r: str(r.randint(100, 9999)),
    "colour": lambda r: r.choice(COLOURS),
    "leader": person,
    "where": place,
    "kept": place,
    "code": code,
    "number": code,
    "capacity": count,
    "members": count,
    "meets": day,
    "allowance": length_of_time,
    "amount": money,
    "weight": measure,
    "founded": lambda r: str(r.randint(1870, 2024)),
    "bring": lambda r: r.choice(STUFF),
    "forbidden": lambda r: r.choice(RULES_NOT),
    "supplier": lambda r: f"{r.choice(FIRST)}{r.choice(SECOND)} {r.choice(FIRMS)}",
    "checked": interval,
}


@dataclass
class Fact:
    """One fact: its statement, and what can be asked of it."""

    kind: str
    thing: str
    value: str
    organisation: str
    statement: str

    def question(self, r: Random) -> str:
        """Draw one wording out of some hundreds."""
        wording = self._wording(r)
        text = r.choice(WORLD["prefix"]) + wording
        if r.random() < 0.1:
            text = text.lower()
        return text.replace("{t}", self.thing).replace("{o}", self.organisation)

    def _wording(self, r: Random) -> str:
        how, kind = r.random(), KINDS[self.kind]
        if how < 0.45:
            return r.choice(kind["questions"])
        if how < 0.7:
            return upper(r.choice(WORLD["ask_phrase"]).format(np=r.choice(kind["phrases"])))
        if how < 0.9:
            return self._keywords(r)
        words = self.statement.split()
        cut = r.randint(max(2, len(words) // 3), max(2, len(words) - 1))
        return str(r.choice(CLOZE)).format(c=" ".join(words[:cut]) + " …")

    def _keywords(self, r: Random) -> str:
        words = [w.strip(".,:") for w in self.statement.split()]
        words = [w for w in words if w.lower() not in STOP and w not in self.value]
        if len(words) > 2 and r.random() < 0.6:
            words.pop(r.randrange(len(words)))
        if r.random() < 0.3:
            r.shuffle(words)
        return str(r.choice(KEYWORDS)).format(k=" ".join(words) or self.thing, o=self.organisation)


@dataclass
class Organisation:
    """An invented organisation, its facts in order, without two values for one question."""

    name: str
    facts: list[Fact] = field(default_factory=list)


def upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def organisation(r: Random, facts: int) -> Organisation:
    """Invent an organisation with `facts` facts; no (kind, thing) occurs twice in it."""
    name = f"{r.choice(FIRST)}{r.choice(['', r.choice(SECOND)])} {r.choice(BUSINESS)}"
    made = Organisation(name)
    seen: set[tuple[str, str]] = set()
    while len(made.facts) < facts:
        kind = r.choice(list(KINDS))
        noun = r.choice(THINGS[str(KINDS[kind]["thing"])])
        thing = r.choice([noun, f"{r.choice(MODIFIERS)} {noun}", f"{r.choice(MODIFIERS)} {noun}"])
        if (kind, thing) not in seen:
            seen.add((kind, thing))
            value = VALUES[kind](r)
            text = r.choice(KINDS[kind]["statements"])
            text = text.replace("{t}", thing).replace("{o}", name).replace("{v}", value)
            made.facts.append(Fact(kind, thing, value, name, upper(text)))
    return made


def handbook(org: Organisation, r: Random) -> str:
    """Write the facts as a page of prose, a list, or a Markdown table's rows."""
    facts = org.facts[:]
    r.shuffle(facts)
    style = r.random()
    if style < 0.6:
        body = " ".join(f.statement for f in facts)
    elif style < 0.85:
        body = "\n".join(f"- {f.statement}" for f in facts)
    else:
        rows = (f"| {f.thing} | {f.kind.replace('_', ' ')} | {f.value} |" for f in facts)
        body = "\n".join(rows)
    return f"# {org.name}\n\n{body}"
