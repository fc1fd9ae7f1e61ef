"""The forms of questions (forms.toml), and what in a statement is asked for by which words."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import Any

from localtune.lessons.values import CLOCK, COUNT, DATE, MONEY

FORMS: dict[str, Any] = tomllib.loads(
    files("localtune.lessons.rules").joinpath("forms.toml").read_text("utf-8")
)
# What a statement holds, how that is found, and the words that ask for it.
ASKED_BY = (
    ("money", re.compile(MONEY), ("How much", "What price", "What amount")),
    ("clock", re.compile(rf"\b(?:{CLOCK})\b"), ("When", "What time", "At what time")),
    ("date", re.compile(rf"\b(?:{DATE})\b"), ("When", "On which day", "What date")),
    (
        "span",
        re.compile(rf"\b{COUNT} (?:minute|hour|day|week|month|year)s?\b"),
        ("How long", "When"),
    ),
    ("count", re.compile(rf"\b{COUNT}\b(?! ?[:–-]?\d)"), ("How many", "What number", "How much")),
    ("who", re.compile(r"(?:(?<=\w )|^)[A-Z]\w+ [A-Z]\w+\b"), ("Who", "Which person")),
    (
        "where",
        re.compile(r"\b(?:in|on|behind|beside|opposite|near|at) the [\w' ]{3,30}\b"),
        ("Where",),
    ),
    ("why", re.compile(r"\b(?:because|so that|since)\b.*"), ("Why",)),
)
