"""Words that tell one fact from all the others: what a loose question is made of.

Takes facts, gives strings. A question that fits two facts would teach neither, so words are drawn,
rare ones first, until no other fact holds them all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from random import Random

from localtune.lessons.facts import Fact

STOP = frozenset(
    """a an and any are as at be been by can could did do does each every for from had has have he
    her his how i if in into is it its may me might more most must my no not of on or our out over
    per shall she should so such than that the their them then there these they this those to under
    up upon us was we were what when where which while who whom will with would yes you your
    """.split()
)
PUNCTUATION = ".,;:()\"'“”?!–—|"
WINDOW = 9  # words of the longest run that is taken whole
MOST = 6  # words after which the search for identifying ones ends


class Index:
    """Which facts hold a word."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._holding: dict[str, set[str]] = defaultdict(set)
        self._facts = len(facts)
        answers = [fact for fact in facts if fact.kind == "faq"]
        for fact in facts:
            # A sentence out of an FAQ's answer and the whole answer are no rivals.
            whole = next((a.id for a in answers if fact.statement in a.statement), fact.id)
            for word in f"{fact.statement} {context(fact)}".split():
                self._holding[stem(word)].add(whole)

    def holds(self, word: str) -> bool:
        """Whether any fact holds the word."""
        return stem(word) in self._holding

    def usual(self) -> list[str]:
        """Return the words that a fortieth of the facts hold, or four at least, commonest last."""
        least = max(4, self._facts // 40)
        often = {word: len(facts) for word, facts in self._holding.items() if word.isalpha()}
        words = [word for word, n in often.items() if n >= least and word not in STOP]
        return sorted(words, key=lambda word: (often[word], word))

    def rarity(self, word: str) -> float:
        """One over the number of facts that hold the word; 1 for an unknown word."""
        return 1 / max(1, len(self._holding.get(stem(word), ())))

    def identify(self, words: Iterable[str]) -> bool:
        """Whether at most one fact holds all of the words."""
        sets = [self._holding.get(stem(word), set()) for word in words]
        return bool(sets) and len(set.intersection(*sets)) <= 1


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A word in lower case without punctuation and plural."""
    return re.sub(r"(?:'s|’s|(?<=\w\w[^s])s)$", "", word.lower().strip(PUNCTUATION))


def context(fact: Fact) -> str:
    """What a fact is about beside its statement: topic, last heading, title."""
    return " ".join([fact.topic, *fact.headings[-1:], fact.title])


def keywords(text: str, fact: Fact, index: Index, r: Random) -> str:
    """Draw words of `text` that identify the fact, or nearly; context helps where text can't.

    In the order of the text, sometimes with all that stands between them, sometimes shuffled.
    """
    words = text.split()
    places = _draw(words, [], index, r)
    around: list[str] = []
    if not index.identify(words[i] for i in places):
        more = context(fact).split()
        kept = _draw(more, [words[i] for i in places], index, r)
        around = [more[i].strip(PUNCTUATION) for i in kept]
    how = r.random()
    if places and how < 0.45 and max(places) - min(places) < WINDOW:
        places = list(range(min(places), max(places) + 1))
    taken = [words[i].strip(PUNCTUATION) for i in places]
    if how > 0.85:
        r.shuffle(taken)
    return " ".join([*around, *taken] if r.random() < 0.5 else [*taken, *around])


def _draw(words: list[str], held: list[str], index: Index, r: Random) -> list[int]:
    """Places of content words, rare ones first, until with `held` they identify, and a few more."""
    weight = {i: index.rarity(word) for i, word in enumerate(words) if _counts(word)}
    drawn = sorted(weight, key=lambda i: r.random() ** (1 / weight[i] ** 0.5), reverse=True)
    for enough in range(MOST):
        if index.identify([*held, *(words[i] for i in drawn[:enough])]):
            break
    return sorted(drawn[: enough + r.choice((0, 1, 1, 2, 3))])


def _counts(word: str) -> bool:
    bare = word.strip(PUNCTUATION)
    return bool(bare) and bare.lower() not in STOP
