"""How much words look like a name, whatever stands around them."""

from __future__ import annotations

from localtune.privacy.find import cues
from localtune.privacy.find.runs import Token
from localtune.privacy.find.words import FIRST, SURNAME, WORD

MONTHS = frozenset("april may june august".split())


def looks(window: list[Token], titled: bool) -> int:
    """Weigh words: 4 for a known first name and surname, 1 for what needs a word around it."""
    kept = [token for token in window if token.word not in cues.SUFFIXES]
    if not kept or (len(window) == 1 and kept[0].is_initial):
        return -9
    if " ".join(token.word for token in kept) in cues.FAMOUS:
        return -9
    shouted = all(token.capitals or token.is_initial for token in kept)
    if any(token.is_coined or (token.is_short_shout and not shouted) for token in kept):
        return -9
    return _alone(kept[0], titled) if len(kept) == 1 else _together(kept)


def _alone(token: Token, titled: bool) -> int:
    if titled:
        return -9 if token.is_bare_word or token.word in cues.THINGS | cues.BRANDS else 0
    if token.capitals or token.word in cues.PLACES or token.word in MONTHS:
        return -9
    return token.as_first if token.flags & FIRST else min(token.as_first, 1)


def _together(kept: list[Token]) -> int:
    first, last = kept[0], kept[-1]
    if any(token.is_bare_word or token.word in cues.THINGS for token in kept[1:-1]):
        return -9
    if last.is_initial:
        sure = len(kept) == 2 and first.flags & FIRST and not first.flags & WORD
        return first.as_first + 1 if sure else -9
    if first.is_initial and (last.as_last < 1 or last.is_short_shout):
        return -9
    known = first.as_first if first.flags & FIRST or first.is_initial else min(first.as_first, 0)
    weight = max(known + last.as_last, _surname_first(first, last))
    return weight - (first.capitals and last.capitals and weight < 4)


def _surname_first(first: Token, last: Token) -> int:
    known = first.flags & SURNAME and last.flags & FIRST and not (first.flags | last.flags) & WORD
    return 3 if known else -9
