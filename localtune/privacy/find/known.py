"""Lone mentions of people whose whole names were found elsewhere ("Keller said")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from localtune.privacy.find import cues
from localtune.privacy.find.finding import Finding, apart
from localtune.privacy.find.runs import Token, runs
from localtune.privacy.replace.pseudonym_words import is_pseudonym

_CAPITALISED = re.compile(r"[^\W\d_a-z](?:[\w'’-]*\w)?")
_SHORTEST = 3  # letters of a name that may stand alone


def name_parts(text: str, findings: list[Finding]) -> frozenset[str]:
    """Return the words, in lower case, of found names of people that may stand for the person.

    Without titles, initials, particles, and words that are no sign of a person by themselves.
    """
    found = {
        word.replace("’", "'").lower()
        for finding in findings
        if finding.kind == "person"
        for word in re.findall(r"[^\W\d_](?:[\w'’-]*\w)?", text[finding.start : finding.end])
    }
    passing = cues.PARTICLES | cues.TITLES | cues.SUFFIXES | cues.NO_NAME | cues.THINGS
    return frozenset(w for w in found - passing if len(w) >= _SHORTEST and not is_pseudonym(w))


def find_known_names(
    text: str, findings: list[Finding], known: frozenset[str], common: frozenset[str]
) -> list[Finding]:
    """Return findings and the lone mentions of `known` names, sorted, not overlapping.

    `known` is what name_parts gave for the whole build; `common` holds the words that its
    documents write in lower case, which are never taken for a name.
    """
    lone = _lone(known, common)
    mentions = [
        finding
        for begin, line in _lines_with(text, findings, lone)
        for run in runs(line)
        for finding in _mentions(line, run, lone, begin)
    ]
    return apart([*findings, *mentions]) if mentions else findings


@lru_cache(maxsize=4)
def _lone(known: frozenset[str], common: frozenset[str]) -> frozenset[str]:
    return known - common - cues.PLACES


def _lines_with(
    text: str, findings: list[Finding], lone: frozenset[str]
) -> Iterator[tuple[int, str]]:
    """Yield (place, line) where a name stands outside of what was found already; most have none."""
    taken = {at for finding in findings for at in range(finding.start, finding.end)}
    last = -1
    for word in _CAPITALISED.finditer(text):
        if word[0].lower() not in lone or word.start() in taken or word.start() < last:
            continue
        begin, end = text.rfind("\n", 0, word.start()) + 1, text.find("\n", word.start())
        last = end if end >= 0 else len(text)
        yield begin, text[begin:last]


def _mentions(line: str, run: list[Token], lone: frozenset[str], begin: int) -> list[Finding]:
    """Return the names in a run of words; places count from `begin`, where the line stands."""
    found: list[Finding] = []
    for i, token in enumerate(run):
        if token.word not in lone or _is_other(line, run, i):
            continue
        before = found[-1] if found else None
        if before and token.start + begin - before.end == 1 and not run[i - 1].ends:
            found[-1] = Finding("person", before.start, token.end + begin)
        else:
            found.append(Finding("person", token.start + begin, token.end + begin))
    return found


def _is_other(text: str, run: list[Token], i: int) -> bool:
    """Whether the words beside make the name something else ("Keller Street", "Lake Anna")."""
    ahead = [token.word for token in run[i + 1 : i + 3]] if not run[i].ends else []
    if any(word in cues.THINGS for word in ahead):
        return True
    if i and run[i - 1].word in cues.BEFORE_THINGS:
        return True
    word = re.match(r"(?:['’]s)?[- ]([a-z]+)", text[run[i].end : run[i].end + 25])
    return bool(
        word and word[1] in {"disease", "syndrome", "law", "theorem", "test", "street", "road"}
    )
