"""Names of people: known first names and surnames, titles, and the words around them.

Capitalised words that stand together are weighed: how much each looks like part of a name, what
the words around say, and whether a word beside them ("Street", "Award") makes them something
else. From CERTAIN on they are a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find import cues
from localtune.privacy.find.finding import Finding
from localtune.privacy.find.looks import looks
from localtune.privacy.find.runs import PARTICLE, UP, Token, runs
from localtune.privacy.find.surroundings import Surroundings
from localtune.privacy.find.words import FIRST, SURNAME, WORD, flags
from localtune.privacy.replace.pseudonym_words import is_pseudonym

CERTAIN = 3
LONGEST = 5  # words of a name
_REVERSED = re.compile(
    rf"(?:^|(?<=[\n|;(>])|(?<=[|;:(>*-] ))(?P<last>(?:{PARTICLE} ){{0,2}}[{UP}][\w'’-]{{1,24}}), "
    rf"(?P<first>[{UP}][^\W\d_'’-]{{1,24}}(?: [{UP}]\.?(?!\w))?)(?![\w@/-]| ?,? [{UP}])"
)


def names(text: str) -> Iterator[Finding]:
    """Find names of people, without titles and possessive endings."""
    for match in _REVERSED.finditer(text):
        first, last = match["first"].split()[0].lower(), match["last"].split()[-1].lower()
        if _is_reversed(first, last):
            yield Finding("person", match.start("last"), match.end())
    for run in runs(text):
        yield from _in_run(text, run)


def _is_reversed(first: str, last: str) -> bool:
    if {first, last} & (cues.PLACES | cues.THINGS | cues.NO_NAME) or flags(last) == WORD:
        return False
    certain = flags(first) & (FIRST | WORD) == FIRST and flags(last) & SURNAME
    return bool(certain) and not (is_pseudonym(first) or is_pseudonym(last))


def _in_run(text: str, run: list[Token]) -> Iterator[Finding]:
    for titled, tokens in _segments(run):
        i = 0
        while i < len(tokens):
            size = _size(text, tokens, i, titled if i == 0 else "")
            if size:
                yield Finding("person", tokens[i].start, tokens[i + size - 1].end)
            i += size or 1


def _segments(run: list[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Yield (title before, tokens) of the pieces of a run that may hold names."""
    title, piece = "", list[Token]()
    for token in run:
        if token.word in cues.TITLES and not token.ends and not piece:
            title = token.word
        elif token.word in cues.TITLES or (token.word in cues.NO_NAME and not token.is_initial):
            yield title, piece
            title, piece = token.word if token.word in cues.TITLES else "", []
        else:
            piece.append(token)
            if token.ends:
                yield title, piece
                title, piece = "", []
    yield title, piece


def _size(text: str, tokens: list[Token], i: int, title: str) -> int:
    """Return how many tokens from the i-th on are a name; 0 for none."""
    if (tokens[i].as_first < 0 and not title) or _is_thing_ahead(tokens, i):
        return 0
    bonus = 3 if title in cues.SURE_TITLES else 1 if title else 0
    around, best = None, (0, 0)
    for size, weight in _windows(tokens, i, bool(title)):
        around = around or Surroundings(text, tokens, i)
        weight += around.weigh(size) + bonus
        if weight >= CERTAIN and weight + size > sum(best):
            best = weight, size
    window = tokens[i : i + best[1]]
    return 0 if any(is_pseudonym(token.word) for token in window) else best[1]


def _windows(tokens: list[Token], i: int, titled: bool) -> Iterator[tuple[int, int]]:
    """Yield the sizes of what may be a name from the i-th token on, and how it looks."""
    for size in range(1, min(LONGEST, len(tokens) - i) + 1):
        window = tokens[i : i + size]
        if size > 1 and not _goes_on(window):
            break
        weight = looks(window, titled)
        if weight > 0 or (titled and weight == 0):
            yield size, weight


def _goes_on(window: list[Token]) -> bool:
    last = window[-1]
    if window[0].capitals and not last.capitals and not last.is_initial:
        return False
    return last.word in cues.SUFFIXES or last.is_initial or last.as_last >= 0


def _is_thing_ahead(tokens: list[Token], i: int) -> bool:
    """Whether a word further on ("Martin Luther King Day") makes the whole something else."""
    for size, token in enumerate(tokens[i + 1 : i + 5], 1):
        if token.word in cues.THINGS and not (token.flags & SURNAME and size < 3):
            return True
    return False
