"""Pseudonyms of names, word by word: "Anna Keller", "Ms Keller", "A. Keller" and "Anna" agree."""

from __future__ import annotations

import re

from localtune.privacy.find import cues
from localtune.privacy.find.runs import PARTICLE
from localtune.privacy.find.words import FIRST, SURNAME, flags, plain
from localtune.privacy.replace.pseudonym_words import FIRST_NAMES, SURNAMES, is_pseudonym

_WORD = re.compile(r"[^\W\d_](?:\.(?!\w{2})|(?:[\w'’-]*\w)?)")
_PARTICLES = re.compile(rf"(?<!\S)(?:{PARTICLE} )+")


class NamePseudonyms:
    """The made-up names given so far: one for each word of a name, whatever its case."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._initials: dict[tuple[str, str], str] = {}  # (initial, surname) -> first name
        self._used = [0, 0]

    def of(self, name: str) -> str:
        """Return a made-up name with as many first names, initials and surnames."""
        name = _PARTICLES.sub("", name)
        words = [w for w in _WORD.findall(name) if w.lower().rstrip(".") not in cues.SUFFIXES]
        surname = ""
        if len(words) > 1:
            surname = words[0 if re.match(r"[\w'’-]+,", name) else -1]
        return _WORD.sub(lambda found: self._part(found[0], surname), name)

    def _part(self, word: str, surname: str) -> str:
        if word.lower().rstrip(".") in cues.SUFFIXES or is_pseudonym(word):
            return word
        if len(word.rstrip(".")) == 1:
            return self._initial(word, plain(surname))
        made = self._of_word(plain(word), plain(surname))
        return made.upper() if word.isupper() else made

    def _of_word(self, word: str, surname: str) -> str:
        if word not in self._words:
            alone = not surname and flags(word) & (FIRST | SURNAME) == SURNAME
            if word == surname or alone:
                self._words[word] = self._new(1)
            else:
                self._words[word] = self._first(word, surname)
        made = self._words[word]
        if surname and word != surname:
            self._initials.setdefault((word[0], surname), made)
        return made

    def _first(self, word: str, surname: str) -> str:
        """Return the name that "A. Keller" was given before Anna's came, or a new one."""
        held = self._initials.get((word[0], surname))
        return self._new(0) if held is None or held in self._words.values() else held

    def _initial(self, word: str, surname: str) -> str:
        key = plain(word[0]), surname
        if key not in self._initials:
            self._initials[key] = self._new(0)
        return self._initials[key][0] + word[1:]

    def _new(self, pool: int) -> str:
        names = (FIRST_NAMES, SURNAMES)[pool]
        again, i = divmod(self._used[pool], len(names))
        self._used[pool] += 1
        return names[i] + ("-" + names[(i + again) % len(names)] if again else "")
