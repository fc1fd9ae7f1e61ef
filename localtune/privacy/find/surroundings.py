"""What the words around say of a possible name."""

from __future__ import annotations

import re

from localtune.privacy.find import cues
from localtune.privacy.find.context import after, before
from localtune.privacy.find.looks import MONTHS
from localtune.privacy.find.runs import UP, Token
from localtune.privacy.find.words import FIRST, WORD, flags

_MODALS = frozenset("will may mark bill grant drew sue rob chase".split())
_BEGINS = re.compile(r"(?:^|[.!?:]\s|\n)[-*> ]*$")
_IN_MONTH = re.compile(
    r"(?:\b(?:in|since|until|by|of|from|to|last|next|early|late|mid|this|and|or|through|on|for)|"
    r"[\d,/])[ -]$",
    re.IGNORECASE,
)
_NEXT = re.compile(rf"^(?:,? (?:and|und|et|y|e|or|en) |, )([{UP}][\w'’-]+)")
_PREVIOUS = re.compile(rf"([{UP}][\w'’-]{{1,24}})(?:,? (?:and|und|et|y|e|or|en) |, )$")


class Surroundings:
    """The words before the i-th token of a piece of a run, read once for all windows."""

    def __init__(self, text: str, tokens: list[Token], i: int) -> None:
        self._text, self._tokens, self._i = text, tokens, i
        start = tokens[i].start
        self._lead = before(text, start, 40)
        line = text.rfind("\n", max(0, start - 200), start) + 1
        said = self._lead.rstrip(" \n*_\"“'([]):,.").rsplit(None, 1)[-1:]
        cue = bool(said) and (said[0].lower() in cues.BEFORE_LAST or said[0][-1] in "–—~@-")
        self._before = (cue and cues.BEFORE_PERSON.search(self._lead) is not None) - (
            text.startswith("#", line) + (self._lead[-4:].lower() == "the ")
        )
        self._anything = cue and cues.BEFORE_ANY.search(self._lead) is not None

    def weigh(self, size: int) -> int:
        """Weigh what stands around a window of tokens: above 0 where people are spoken of."""
        first, last = self._tokens[self._i], self._tokens[self._i + size - 1]
        tail = after(self._text, last.end, 60)
        weight = self._before + self._beside(size) + self._by_word(first, last)
        weight += cues.AFTER_PERSON.match(tail) is not None
        sure = first.as_first == 2 if size == 1 else first.flags == 0 and size == 2
        weight += sure and last.as_last == 2 and self._anything
        word = re.match(r"[-– ]([a-z]+)", tail)
        weight -= 2 * (word is not None and word[1] in cues.THINGS)
        return weight + (self._listed(tail) if size == 1 or first.flags == 0 else 0)

    def _by_word(self, first: Token, last: Token) -> int:
        """Weigh words that begin sentences and are names ("Will Anna come?"), and initials."""
        if first.word in _MODALS and _BEGINS.search(self._lead):
            return -1 if last.flags & FIRST else 0
        if first.word in MONTHS:
            return -2 if _IN_MONTH.search(self._lead) else 0
        if first.is_initial:
            numbered = re.search(r"\d $", self._lead)
            return -2 if numbered else 1 if re.search(r"\w[ ,;]{1,3}$", self._lead) else 0
        return 0

    def _beside(self, size: int) -> int:
        weight, tokens, end = 0, self._tokens, self._i + size
        if self._i and not tokens[self._i - 1].ends:
            weight -= 9 if tokens[self._i - 1].word in cues.BEFORE_THINGS else 1
        if end < len(tokens) and not tokens[end - 1].ends:
            weight -= 9 if tokens[end].word in cues.THINGS else 1
        return weight

    def _listed(self, tail: str) -> int:
        """Weigh another first name beside it ("Priya, Tom and Anna"), or "&" of a firm."""
        if self._lead.endswith("& ") or tail.startswith(" & "):
            return -2
        beside = (_NEXT.match(tail), _PREVIOUS.search(self._lead))
        return int(any(m and flags(m[1]) & (FIRST | WORD) == FIRST for m in beside))
