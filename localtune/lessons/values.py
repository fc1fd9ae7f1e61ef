"""How amounts, counts, times and dates are written: patterns, for whoever looks for them."""

from __future__ import annotations

MONEY = r"(?:[£$€]\s?\d[\d,.]*\d|[£$€]\d)"
COUNT = (
    r"(?:(?<![\d:.,£$€–-])\d[\d,]*(?:\.\d+)?(?![\d:]|\.\d)|two|three|four|five|six|seven|eight|nine"
    r"|ten|eleven|twelve|fourteen|fifteen|twenty|thirty|forty|fifty|sixty|ninety)"
)
CLOCK = r"(?:\d{1,2}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|noon|midnight)"
MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_YEAR = r"(?:1\d|20)\d\d"
_NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = (
    rf"(?:{_NUMBER} {MONTH}(?: {_YEAR})?|{MONTH} {_NUMBER}(?:, {_YEAR})?(?!\d)|{MONTH} {_YEAR}"
    rf"|{DAY}s?|{MONTH})"
)
WHEN = rf"(?:{CLOCK}|{DATE}|{_YEAR}(?![\d,.–-]\d| [a-z]+s\b))"
OFTEN = (
    r"(?:every (?:other )?(?:(?:two|three|four|five|six|\d+) )?"
    r"(?:hour|day|week|month|quarter|year)s?"
    r"|(?:once|twice|(?:three|four) times) (?:a|per|each|every) (?:day|week|month|quarter|year))"
)
