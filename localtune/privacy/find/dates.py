"""Dates of birth: a date in any usual form, beside words that say so.

Years 1900-1909 are left to the pseudonyms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.context import spots
from localtune.privacy.find.finding import Finding

_MONTH = (
    r"(?:jan|feb|fév|fev|mar|mär|mae|apr|avr|abr|may|mai|maj|mei|mag|jun|jui|giu|jul|lug|aug|"
    r"aoû|aou|ago|"
    r"sep|set|oct|okt|ott|out|nov|dec|déc|dez|dic|des|ene|gen|ocak|şubat|mart|nisan|mayıs|haz|"
    r"tem|ağu|"
    r"eyl|eki|kas|ara|sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru)[^\W\d_]{0,9}\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th|er|º|ª|\.)?"
_YEAR = r"(?:1[89]|20)\d\d"
_DATE = re.compile(
    rf"(?<![\w/.-])(?:{_YEAR}([-/.])\d{{1,2}}\1\d{{1,2}}|\d{{1,2}}([-/.])\d{{1,2}}\2(?:{_YEAR}|"
    rf"\d\d)"
    rf"|\d{{1,2}}\. ?\d{{1,2}}\. ?{_YEAR}|\d{{1,2}} / \d{{1,2}} / {_YEAR}"
    rf"|{_DAY}(?: of| de)?[ -]{_MONTH}(?:,| de| del|/)?[ -]?(?:{_YEAR}|(?<=-)\d\d)"
    rf"|{_MONTH}[ -]{_DAY},?[ -]{_YEAR}|{_YEAR}[ -]{_MONTH}[ -]\d{{1,2}}|{_MONTH} {_YEAR}"
    rf"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01]))(?!\w|[/-]\d)",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\bborn\b|\bd\.? ?o\.? ?b\b|birth[ -]?date|date[ -]of[ -]birth|birth[ -]?day|\bb\. "
    r"?(?=\d)|geboren|\bgeb\.|"
    r"geburtsdatum|geburtstag|\bnée?\b|\bnée?\(e\)|naissance|naci[óod]|nacimiento|\bnac\.|"
    r"\bnat[oa]\b|nascita|"
    r"geboorte|nascid[oa]|nascimento|\bfødt|\bfödd|födelse|fødsels|urodz|\bur\.|doğum|doğd|"
    r"syntym|narozen|született|birth",
    re.IGNORECASE,
)
_NEEDLES = ("born", "birth", "date of birth", "date-of-birth", "dob", "d.o.b", "d. o. b", "b. ",
    "gebor", "geb.", "geburt", "né", "naiss", "naci", "nac.", "nato ", "nata ", "nascit",
        "nascid", "nascim",
            "født", "född", "föd", "fødsel", "urodz", "ur. ", "doğ", "syntym", "narozen",
                "szület", "született")  # fmt: skip
_PSEUDONYM = re.compile(r"(?<!\d)190\d|^\d{1,2}[-/.]\d{1,2}[-/.]0\d$|-0\d$(?<!\d-\d\d-\d\d)")

_BETWEEN = re.compile(
    r" ?[(\[,–-]{0,2} ?(?:is|was|as|ist|:)?\s?(?:\w{1,6}'?s? )?(?:my|the|her|his|their)?\s?"
)


def birth_dates(text: str, lower: str) -> Iterator[Finding]:
    """Find dates that the words around call a date of birth."""
    for said in filter(None, (_SAID.match(text, at) for at in spots(lower, _NEEDLES))):
        for match in _DATE.finditer(text, said.end(), said.end() + 75):
            between = text[said.end() : match.start()]
            if not re.search(r"[.!?]\s+[A-Z]|\n\s*\n|;", between) and not _PSEUDONYM.search(
                match[0]
            ):
                yield Finding("birth_date", *match.span())
            break
        yield from _before(text, said)


def _before(text: str, said: re.Match[str]) -> Iterator[Finding]:
    start = max(0, said.start() - 30)
    for match in _DATE.finditer(text, start, said.start()):
        between = text[match.end() : said.start()]
        if _BETWEEN.fullmatch(between) and not _PSEUDONYM.search(match[0]):
            yield Finding("birth_date", *match.span())
