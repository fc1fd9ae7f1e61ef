"""How people put a question: in other words and endings, with words of their own, a greeting.

Takes questions as wording.py makes them, gives strings; nothing here needs to be fine English, as a
person's question seldom is. Draws come from a `random.Random`, so that a seed fixes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from random import Random

from localtune.lessons.facts import Fact
from localtune.lessons.keywords import STOP, Index
from localtune.lessons.rules.forms import FORMS
from localtune.lessons.rules.grammar import base_of, upper_first

_FIRST_PERSON = [
    (re.compile(rf"\b{pattern}\b"), said)
    for pattern, said in (
        ("are you", "am I"), ("you are", "I am"), ("you're", "I'm"), ("your", "my"),
        ("yours", "mine"), ("yourself", "myself"), ("you", "I"), ("Your", "My"), ("You", "I"),
    )
]  # fmt: skip


def _read_synonyms() -> dict[str, list[str]]:
    lines = (
        files("localtune.lessons.rules").joinpath("synonyms.txt").read_text("utf-8").splitlines()
    )
    groups = [line.split(", ") for line in lines if not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for first, *others in groups:
        found.setdefault(first, []).extend(others)
    return found


SYNONYMS = _read_synonyms()
REPLACED = 1 / 3
_PREPOSITIONS = "on in at for of with by to from about".split()
_ARTICLES = ("a", "the", "the", "", "", "my", "our")
_SAID = re.compile(
    "|".join(rf"\b{re.escape(several)}\b" for several in SYNONYMS if not several.isalpha())
    + r"|[A-Za-z]+"
)
_SMALL = STOP - set("how what when where which while who whom not no".split())
_SMALL_ONES = sorted(_SMALL)  # to draw from: a set has no order
_IS = re.compile(r"\b([Ww]hat|[Ww]ho|[Ww]here|[Ww]hen|[Hh]ow|[Tt]hat|[Tt]here) is\b")


def as_people_ask(text: str, around: Around, r: Random) -> str:
    """Put a question as somebody does who doesn't know the document; each change now and then."""
    text = with_synonyms(text, r) if r.random() < 0.5 else text
    text = in_first_person(text) if r.random() < 0.5 else text
    text = with_other_endings(text, r) if r.random() < 0.3 else text
    text = with_strange_words(text, around.strange, r) if r.random() < 0.3 else text
    text = with_usual_words(text, around.usual, r) if r.random() < 0.4 else text
    return _IS.sub(r"\1's", text) if r.random() < 0.5 else text


@dataclass(frozen=True)
class Around:
    """What else a question may say, which must not matter: see `words_around`."""

    strange: list[str]
    usual: list[str]


def words_around(index: Index) -> Around:
    """Return common words that no fact holds, and those of these documents that many facts hold.

    People say "in the garden" of whatever is in the garden; that mustn't lead to another fact.
    """
    known = {word for group in SYNONYMS.values() for several in group for word in several.split()}
    strange = sorted(
        word for word in known | set(SYNONYMS) if " " not in word and not index.holds(word)
    )
    return Around(strange, index.usual())


def in_first_person(text: str) -> str:
    """Ask as the person that the document addresses: "may you keep your key" -> "may I keep my"."""
    for pattern, said in _FIRST_PERSON:
        text = pattern.sub(said, text)
    return text


def with_synonyms(text: str, r: Random) -> str:
    """Say some words otherwise (synonyms.txt), each with a chance of REPLACED."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        some = SYNONYMS.get(word.lower(), ())
        if not some or (word[0].isupper() and match.start()) or r.random() > REPLACED:
            return word
        return upper_first(r.choice(some)) if word[0].isupper() else r.choice(some)

    return _SAID.sub(other, text)


def with_other_endings(text: str, r: Random) -> str:
    """Make one of several and several of one, and a verb's base of its form, here and there."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        if r.random() > 0.3:
            return word
        if base := base_of(word):
            return base
        if word.endswith("s"):
            return word if word.endswith("ss") else word[:-1]
        return word + "s" if r.random() < 0.4 else word

    return re.sub(r"\b[a-z]{4,}\b", other, text)


def with_strange_words(text: str, strange: Sequence[str], r: Random) -> str:
    """Say a strange word in every seventh place, and drop or change every fifth small one."""
    said: list[str] = []
    for word in text.split():
        if word.lower() not in _SMALL or r.random() > 0.2:
            said.append(word)
        elif r.random() < 0.5:
            said.append(r.choice(_SMALL_ONES))
        if r.random() < 0.15:
            said.append(r.choice(_SMALL_ONES if not strange or r.random() < 0.3 else strange))
    return " ".join(said)


def with_usual_words(text: str, usual: Sequence[str], r: Random) -> str:
    """Say "on a plot" or "for members" besides, mostly at the end."""
    end = text[-1:] if text.endswith((".", "?")) else ""
    words = text.removesuffix(end).split()
    if not usual or not words:
        return text
    for _ in range(r.choice((1, 1, 2))):
        phrase = f"{r.choice(_PREPOSITIONS)} {r.choice(_ARTICLES)} {r.choice(usual)}".split()
        at = len(words) if r.random() < 0.6 else r.randint(1, len(words))
        words[at:at] = phrase
    return " ".join(words) + end


def with_prefix(text: str, fact: Fact, r: Random) -> str:
    """Now and then begin as people do, or drop capitals and the mark."""
    if r.random() < 0.4:
        topic = fact.headings[-1] if fact.headings else fact.title
        text = f"{r.choice(FORMS['prefixes']).format(t=topic, o=fact.title)} {text}"
    return text.lower().rstrip("?.") if r.random() < 0.12 else text
