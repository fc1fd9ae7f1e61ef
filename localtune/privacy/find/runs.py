"""Capitalised words that stand together, cut where no name goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from localtune.privacy.find import cues
from localtune.privacy.find.words import FIRST, SURNAME, WORD, flags

UP = "A-Z" + "".join(
    chr(c) for c in [*range(0xC0, 0x24F), *range(0x1E00, 0x1EFF)] if chr(c).isupper()
)
_INITIALS = rf"[{UP}](?:\.-?[{UP}]){{0,3}}(?:\.|(?=[ ,'’]))"
_WORD = rf"(?:[dD]['’]|[aAeE]l-)?[{UP}](?:[^\W\d_]|['’](?=[^\W\d_]{{2}})|-(?=[^\W\d_])){{1,24}}"
_CAP = rf"(?:{_WORD}|{_INITIALS})"
PARTICLE = "(?:" + "|".join(sorted(cues.PARTICLES, key=len, reverse=True)) + ")"
_GAP = rf"(?:\.? |(?<=\.))(?:\n?(?:{PARTICLE} ){{1,2}})?"
_RUN = re.compile(
    rf"(?<![\w@/#$\\~+=-])(?<!\w[.'’])(?:{PARTICLE} ){{0,2}}?{_CAP}(?:{_GAP}{_CAP}){{0,9}}"
    r"(?:['’]s?(?!\w))?(?![\w@\\=(]|-\w|\.\w|/\w|://)"
)
_PART = re.compile(rf"(?:{PARTICLE} )*(?:{_INITIALS}(?=[{UP}])|[^\s]+)")

_COINED = re.compile(
    rf"(?<![{UP}'’-])(?!Mc|Mac|De|Di|Du|Da|La|Le|Van|Von|Fitz|Ni|Ó)[{UP}][^\W\d_{UP}]+[{UP}]|"
    rf"^[{UP}]{{2,}}(?![{UP}'’.-])[^\W\d_]"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A capitalised word, with the particles before it ("van der Berg").

    `word` is in lower case, without particles, possessive and full stop; `ends` says that a
    full stop or a possessive follows, after which no name goes on.
    """

    word: str
    start: int
    end: int
    ends: bool
    capitals: bool
    is_coined: bool = False  # "GitHub"

    @property
    def is_short_shout(self) -> bool:
        """Whether it is most likely an abbreviation ("GSA")."""
        return self.capitals and len(self.word) < 5

    @property
    def is_initial(self) -> bool:
        """Whether it is "J", "J." or "J.R."."""
        return is_initial(self.word)

    @property
    def flags(self) -> int:
        """What the word can be: FIRST, SURNAME, WORD."""
        return flags(self.word)

    @property
    def is_bare_word(self) -> bool:
        """Whether it is an ordinary word and no name."""
        return flags(self.word) == WORD

    @property
    def as_first(self) -> int:
        """How much it looks like a first name: 2 surely, 1 perhaps, 0 unknown, below: no."""
        return _as_first(self.word)

    @property
    def as_last(self) -> int:
        """How much it looks like a surname, on the same scale."""
        return _as_last(self.word)


@lru_cache(maxsize=65536)
def is_initial(word: str) -> bool:
    """Whether a word is one letter, or several with full stops between them."""
    return len(word.replace(".", "").replace("-", "")) < 2 or "." in word


@lru_cache(maxsize=65536)
def _as_first(word: str) -> int:
    found = flags(word)
    if is_initial(word):
        return 1
    if word in cues.THINGS or word in cues.BEFORE_THINGS or found == WORD:
        return -9
    if not found & FIRST:
        return 1 if found == SURNAME else 0
    return 1 if found & WORD or word in cues.PLACES else 2


@lru_cache(maxsize=65536)
def _as_last(word: str) -> int:
    found = flags(word)
    if is_initial(word):
        return 0
    if word in cues.THINGS:
        return 0 if found & SURNAME else -9
    if found == WORD:
        return -9
    if found & WORD or word in cues.PLACES:
        return 1 if found & SURNAME else 0 if word in cues.PLACES else -1
    return 2 if found else 1


def runs(text: str) -> Iterator[list[Token]]:
    """Yield runs of tokens, with all the words that are no names still in them."""
    for match in _RUN.finditer(text):
        if any(map(_may_be_name, match[0].split())):
            yield list(_tokens(match))


@lru_cache(maxsize=65536)
def _may_be_name(written: str) -> bool:
    word = re.sub(r"['’]s?$|\.$", "", written).lower()
    return len(word) > 1 and word not in cues.NO_NAME and flags(word) != WORD


def _tokens(run: re.Match[str]) -> Iterator[Token]:
    for part in _PART.finditer(run[0]):
        written = part[0]
        start = run.start() + part.start()
        bare = re.sub(r"['’]s?$", "", written)
        owning = len(bare) < len(written)
        word = re.sub(rf"^(?:{PARTICLE} )+", "", bare)
        dotted = word.endswith(".")
        word = word.rstrip(".").replace("’", "'").lower()
        short = len(word.replace(".", "")) < 2 or word in cues.TITLES | cues.SUFFIXES | {"st"}
        whole = short or "." in word
        end = start + len(bare) - (dotted and not whole)
        ends = owning or (dotted and not whole)
        capitals = bare.isupper() and len(word) > 1 and "." not in word
        yield Token(word, start, end, ends, capitals, _COINED.search(bare) is not None)
