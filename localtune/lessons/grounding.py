"""Whether what a model wrote can be used: it stands in the passage, by itself, and twice.

By rule, over words: no other model judges. Takes and gives texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from localtune.declining import REFUSALS
from localtune.lessons.keywords import STOP, stem
from localtune.lessons.similarity import words
from localtune.number_words import DIGITS

ENOUGH = 0.75  # share of the plain words of a text that must stand in the passage
ALIKE_BEGIN = 5  # letters: "opening" stands for "opened"
_NAME = re.compile(r"(?<![.!?:] )(?<!^)\b[A-Z][\w'’-]*")
_TEXT = re.compile(
    r"\b(?:the|this|that|given|provided)\s+(?:text|passage|document|article|excerpt|context)\b"
    r"|\bas (?:mentioned|stated|described) (?:above|below|here)\b",
    re.I,
)


def declines(said: str) -> bool:
    """Whether a text says that one doesn't know."""
    heard = f" {' '.join(words(said))} "
    return any(f" {' '.join(words(phrase))} " in heard for phrase in REFUSALS)


def askable(question: str, passage: str) -> bool:
    """Whether a question can be asked of someone who hasn't the passage before them.

    Its numbers and names must stand in the passage: a question about others has no answer.
    """
    asked = words(question)
    if not 4 <= len(asked) <= 40 or _TEXT.search(question):
        return False
    known = _Known(passage)
    return all(map(known.holds, [*_exact(question)])) and any(
        known.holds(word) for word in content(question)
    )


def grounded(text: str, passage: str, question: str = "") -> bool:
    """Whether a text says what a passage says, and not only what a question said already.

    Every number and name must stand in the passage, and ENOUGH of the other content words there or
    in the question, be it in another form ("opened", "opening"; "nine", "9").
    """
    known, said = _Known(passage), content(text)
    exact = _exact(text)
    plain = [word for word in said if word not in exact]
    asked = _Known(question)
    if not said or not all(map(known.holds, exact)):
        return False
    held = [known.holds(word) or asked.holds(word) for word in plain]
    new = any(known.holds(word) and not asked.holds(word) for word in said)
    return (new or not question) and sum(held) >= ENOUGH * len(held)


def content(text: str) -> list[str]:
    """Return the words of a text that mean something, numbers as digits."""
    found = (DIGITS.get(word, word) for word in _words(text))
    return [word for word in found if word not in STOP]


def stems(text: str) -> set[str]:
    """Return the words of a text that mean something, without plurals."""
    return {stem(word) for word in content(text)}


@lru_cache(maxsize=64)  # one passage is held against many texts
def _known(text: str) -> tuple[frozenset[str], frozenset[str]]:
    held = frozenset(DIGITS.get(word, word) for word in _words(text))
    return held, frozenset(word[:ALIKE_BEGIN] for word in held if len(word) > ALIKE_BEGIN)


class _Known:
    """The words that a text holds."""

    def __init__(self, text: str) -> None:
        self._held, self._begin = _known(text)

    def holds(self, word: str) -> bool:
        """Whether a word stands there, or another that begins as it does; numbers must be equal."""
        if word in self._held:
            return True
        bare = word.removesuffix("s")
        if f"{word}s" in self._held:
            return True
        if any(char.isdigit() for char in word):
            return False
        return bare in self._held or (bare[:ALIKE_BEGIN] in self._begin and len(bare) > ALIKE_BEGIN)


def _words(text: str) -> list[str]:
    """Words in lower case; 1,000 is one number, as 7:40 and 2.5 are."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.lower())
    text = re.sub(r"['’]s\b", "", text)
    return re.findall(r"\d+(?:[.:]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*", text)


def _numbers(text: str) -> set[str]:
    return {word for word in content(text) if word[0].isdigit()}


def _exact(text: str) -> set[str]:
    """Return the words of a text that must stand in the passage as they are: numbers and names."""
    names: Iterable[str] = (word for name in _NAME.findall(text) for word in _words(name))
    return _numbers(text) | {DIGITS.get(word, word) for word in names if word not in STOP}
