"""Encoded data in a text: base64, hexadecimal, data: URIs, uuencoded files, PEM and PGP blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

_RUN = re.compile(
    r"data:[\w/+.-]{1,60}(?:;[\w=-]{1,40}){0,3},[\w+/=%-]{40,}+"
    r"|(?<![\w+/=-])[A-Za-z0-9+/_-]{100,}+={0,2}"
)
_FULL = re.compile(r"[A-Za-z0-9+/_-]{40,}+={0,2}")
_REST = re.compile(r"[A-Za-z0-9+/_-]{2,}+={0,2}|=[\w+/]{4}")  # the last line, or PGP's checksum
_BLOCK = re.compile(  # of PEM or PGP, or uuencoded
    r"[ \t>*#/\\]{0,9}-{4,5} ?(?P<side>BEGIN|END) (?P<kind>[A-Z0-9 ]{2,40}?) ?\\?-{4,5}"
    r"|begin(?:-base64)? [0-7]{3} \S|end$"
)


def without_encoded_runs(text: str) -> tuple[str, list[str]]:
    """Take data: URIs, base64 and hexadecimal of over 100 characters out of the lines of a text."""
    runs: list[str] = []

    def judge(found: re.Match[str]) -> str:
        if found[0].startswith("data:") or _is_encoded(found[0]):
            runs.append(found[0])
            return " "  # what stood on both sides must not become one word
        return found[0]

    return _RUN.sub(judge, text), runs


def _is_encoded(run: str) -> bool:
    """Tell base64 and hexadecimal from a long path or name by their even mix of characters."""
    digits, upper, lower = (
        sum(map(test, run)) / len(run) for test in (str.isdigit, str.isupper, str.islower)
    )
    letters = set(run.lower())
    hexadecimal = letters <= set("0123456789abcdef") and len(letters) > 7
    return hexadecimal or (digits > 0.03 and upper > 0.1 and lower > 0.1)


def encoded_lines(lines: list[str]) -> set[int]:
    """Give the lines between BEGIN and END, of uuencoded files, and of data wrapped over lines."""
    ends: dict[str, int] = {}
    last: dict[int, int] = {}
    for i in range(len(lines) - 1, -1, -1):
        if mark := _BLOCK.match(lines[i]):
            kind = mark["kind"] or ""
            if mark["side"] == "END" or lines[i] == "end":
                ends[kind] = i
            elif kind or "".join(lines[i + 1 : i + 2]).isupper():
                last[i] = ends.pop(kind, i - 1)
    found, until = set(_wrapped(lines)), -1
    for i in range(len(lines)):
        until = max(until, last.get(i, -1))
        found |= {i} if i <= until else set()
    return found


def _wrapped(lines: list[str]) -> Iterator[int]:
    stripped = [line.strip(" \t>") for line in lines]
    for full, group in groupby(range(len(lines)), lambda i: bool(_FULL.fullmatch(stripped[i]))):
        run = list(group)
        if full and len(run) > 1 and _is_encoded("".join(stripped[i] for i in run)):
            yield from run
            rest = stripped[run[-1] + 1 : run[-1] + 2]
            if rest and len(rest[0]) < 100 and _REST.fullmatch(rest[0]):
                yield run[-1] + 1
