"""Passages that teach nothing: noise of a scanner, spam, fill text, what is left of a binary file.

The rules are published ones, made for web pages: Gopher (Rae et al. 2021, arXiv:2112.11446, table
A1), C4 (Raffel et al. 2020, arXiv:1910.10683) and FineWeb (Penedo et al. 2024, arXiv:2406.17557).
As they stand they reject most of a good manual, whose passages are short and full of lists, so
here they judge running text only: no code, no table, no heading, and lists by their repetition
alone. Where a threshold isn't the paper's the rule says so.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

_FEWEST = 20  # words of running text; with fewer a share of them says nothing
_SHORT = 100  # characters of running text, the same for shares of characters
_VARIED = 0.6  # different words / words: above it nothing can be half repetition, so none is sought
# What a line is, by its beginning. One without a letter or digit is none of these.
_LINE = re.compile(
    r"[ >]*(?:(?P<fence>```|~~~)|(?P<list>(?:[-*+•·]|\d{1,4}[.)])[ ])|(?P<table>\|))"
    r"|(?P<heading>\#{1,6}\s)|(?P<code>[ ]{4}|\t)|(?P<bare>[\W_]*$)"
)
_DELIMITER_ROW = re.compile(r"^[ >]*\|?[ :]*-{3,}[ :]*\|", re.M)
_CODE_OR_LINK = re.compile(r"`[^`\n]*`|https?://\S+|\$\$[^$]{1,2000}\$\$")  # or a formula
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[A-Za-zª-ɏḀ-ỿ]+")
_LONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)
_DAMAGE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]+")
_WORD = re.compile(r"[^\W_]+")
_HEX = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])(?:[\da-f]{2}){1,4}")
_HEX_PAIR = re.compile(r"\d[a-fA-F]|[a-fA-F]\d")
_ELLIPSIS = re.compile(r"(?<!\.)(?:…|\.\.\.)(?!\.)")
# A digit or a mark between letters, capitals after small letters twice, or 5 letters, no vowel.
# They begin at what is rare and look back, which is twice as fast.
_GARBLED = re.compile(
    r"[\d|\\^~<>{}*=+;!?$%#\[\]](?<=[A-Za-z].)\d*[a-z]|[A-Z](?<=[a-z].)[A-Z]*[a-z]+[A-Z]"
    r"|\b[b-df-hj-np-tv-xz]{5,}\b"
)
_SENTENCE_END = re.compile(r"[.!?。।؟](?:\s|$)")
_NO_SCRIPT = re.compile(
    r"(?:enable|activate|turn on|requires?) java ?script"
    r"|java ?script (?:must be|is|to be|needs to be|has to be) (?:enabled|disabled|required|off)",
    re.I,
)


@dataclass(frozen=True)
class _Passage:
    """A passage taken apart; words are as written, terms are runs of letters and digits."""

    text: str
    prose: str
    lines: list[str]  # of running text and lists
    words: list[str]  # of the prose; single letters in scripts without spaces
    terms: list[str]  # the same in small letters, without marks
    latin: bool
    variety: float  # different terms / terms


def reject(passage: str) -> str:
    """Say why a passage isn't worth training on, with the rule and its figure; "" where it is."""
    parts = _parts(passage)
    rules = [_damaged, _repeated_lines, _fill]
    # Where most of it is a list or a table, the little between them says nothing.
    if 3 * len(parts.prose) >= max(len(passage), 3 * _SHORT):
        rules += [_encoded, _marks]
        rules += _RULES if len(parts.words) >= _FEWEST else []
        rules += _REPETITION if len(parts.words) >= _FEWEST and parts.variety < _VARIED else []
    return next(filter(None, (rule(parts) for rule in rules)), "")


def _parts(passage: str) -> _Passage:
    prose, lines, fenced = [], [], False
    table = "|" in passage and _DELIMITER_ROW.search(passage) is not None
    for line in passage.split("\n"):
        found = None if line[:1].isalpha() else _LINE.match(line)
        kind = found.lastgroup if found else "table" if table and "|" in line else "prose"
        fenced ^= kind == "fence"
        if not fenced and kind in ("prose", "list"):
            lines.append(line.strip())
            if kind == "prose":
                prose.append(line)
    text = _CODE_OR_LINK.sub(" ", "\n".join(prose))
    plain = len(text.encode("utf-8", "replace")) < 1.1 * len(text)  # nearly all of it is ASCII
    letters = 0 if plain else _count(_LETTERS, text)
    latin = plain or _count(_LATIN, text) > 0.8 * letters
    spaced = plain or _count(_LONE, text) < 0.1 * letters
    words = text.split() if spaced else [letter for letter in text if letter.isalpha()]
    # Marks above and below the letters of Hindi or Thai are no letters to a regex.
    terms = _WORD.findall(text.lower()) if latin else words
    variety = len(set(terms)) / max(len(terms), 1)
    return _Passage(passage, text, lines, words, terms, latin, variety)


def _count(pattern: re.Pattern[str], text: str) -> int:
    """Count the characters of all matches."""
    return sum(map(len, pattern.findall(text)))


def _damaged(parts: _Passage) -> str:
    share = _count(_DAMAGE, parts.text) / max(len(parts.text), 1)
    return f"{share:.0%} unreadable characters, over 1% (own rule)" if share > 0.01 else ""


def _repeated_lines(parts: _Passage) -> str:
    """Gopher's share of repeated lines; 30 % there, but a manual's short lines do repeat."""
    if len(parts.lines) < 6:
        return ""
    share = 1 - len(set(parts.lines)) / len(parts.lines)
    return f"{share:.0%} repeated lines, over 50% (Gopher)" if share > 0.5 else ""


def _fill(parts: _Passage) -> str:
    """C4's fill text, and its notices of pages that want JavaScript where little else is said."""
    if "lorem ipsum dolor" in parts.prose.lower():
        return "lorem ipsum (C4)"
    if len(parts.text) < 150 and _NO_SCRIPT.search(parts.prose):
        return "a notice that JavaScript is off (C4)"
    return ""


def _word_length(parts: _Passage) -> str:
    """Gopher's mean length of words, for Latin letters only; 10 there, but German is longer."""
    mean = _letters(parts.terms) / max(len(parts.terms), 1)
    if not parts.latin or 3 <= mean <= 12:
        return ""
    limit = "over 12" if mean > 12 else "under 3"
    return f"mean word length {mean:.1f}, {limit} (Gopher)"


def _letters(words: list[str]) -> int:
    return sum(map(len, words))


def _wordless(parts: _Passage) -> str:
    """Gopher's share of words with letters, 80 % there; numbers count too, for price lists."""
    odd = [word for word in parts.words if not word[0].isalnum()]
    share = 1 - sum(1 for word in odd if not _WORD.search(word)) / len(parts.words)
    return f"{share:.0%} words with letters or digits, under 75% (Gopher)" if share < 0.75 else ""


def _symbols(parts: _Passage) -> str:
    """Gopher's symbols per word: # and ellipses."""
    ratio = (parts.prose.count("#") + len(_ELLIPSIS.findall(parts.prose))) / len(parts.words)
    return f"{ratio:.2f} symbols a word, over 0.1 (Gopher)" if ratio > 0.1 else ""


def _marks(parts: _Passage) -> str:
    """All that is no letter or digit; a line of code in a sentence has less."""
    share = 1 - _letters(parts.terms) / max(_letters(parts.words), 1)
    return f"{share:.0%} marks, over 25% (own rule)" if parts.latin and share > 0.25 else ""


def _ellipsis_lines(parts: _Passage) -> str:
    ends = sum(line.endswith(("…", "...")) and not line.endswith("....") for line in parts.lines)
    share = ends / len(parts.lines)
    few = len(parts.lines) < 4
    return "" if few or share <= 0.3 else f"{share:.0%} lines end in an ellipsis, over 30% (Gopher)"


def _encoded(parts: _Passage) -> str:
    long = _letters([word for word in parts.words if len(word) >= 50 and word.isascii()])
    share = long / len(parts.prose)
    if share > 0.3:
        return f"{share:.0%} in runs of 50 characters, over 30% (own rule)"
    if not _HEX_PAIR.search(parts.prose):
        return ""
    hexes = [word for word in parts.terms if len(word) in (2, 4, 8) and _HEX.fullmatch(word)]
    share = len(hexes) / max(len(parts.terms), _FEWEST)
    return f"{share:.0%} hexadecimal words, over 30% (own rule)" if share > 0.3 else ""


def _garbled(parts: _Passage) -> str:
    share = len(_GARBLED.findall(parts.prose)) / len(parts.words) if parts.latin else 0
    return f"{share:.0%} garbled words, over 12% (own rule)" if share > 0.12 else ""


def _one_phrase(parts: _Passage) -> str:
    """Gopher's most frequent pair of words; 20 % of the characters there, for longer texts."""
    pairs = Counter(pairwise(parts.terms))
    pair, times = max(pairs.items(), key=itemgetter(1), default=(("", ""), 0))
    share = min(times * len("".join(pair)) / max(_letters(parts.terms), 1), 1)
    fine = times < 6 or share <= 0.5
    return "" if fine else f"{share:.0%} of it is one pair of words, over 50% (Gopher)"


def _repeated_phrases(parts: _Passage) -> str:
    """Gopher's repeated runs of 5 words; 15 % there, but a manual's wording is set."""
    terms = parts.terms
    runs = list(zip(*(terms[k:] for k in range(5)), strict=False))
    share = 1 - len(set(runs)) / max(len(runs), 1)
    return f"{share:.0%} repeated phrases, over 50% (Gopher)" if share > 0.5 else ""


def _keywords(parts: _Passage) -> str:
    """Keywords for a search engine: few different words, commas between them, no sentence."""
    commas = parts.prose.count(",") / len(parts.words)
    sentences = len(_SENTENCE_END.findall(parts.prose))
    spam = parts.variety < 0.4 and commas > 0.1 and sentences * 40 < len(parts.words)
    return f"{parts.variety:.0%} different words, no sentence (own rule)" if spam else ""


_RULES = [_word_length, _wordless, _symbols, _ellipsis_lines, _garbled]
_REPETITION = [_one_phrase, _repeated_phrases, _keywords]
