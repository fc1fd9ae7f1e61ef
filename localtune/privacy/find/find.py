"""Everything private in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.addresses import addresses
from localtune.privacy.find.dates import birth_dates
from localtune.privacy.find.emails import emails
from localtune.privacy.find.finding import Finding, apart
from localtune.privacy.find.names import names
from localtune.privacy.find.network import ips, macs
from localtune.privacy.find.numbers import cards, ibans, ninos, passports, ssns
from localtune.privacy.find.passwords import passwords, url_passwords
from localtune.privacy.find.phones import phones
from localtune.privacy.find.secrets import named, private_keys, tokens
from localtune.privacy.find.wallets import wallets

_DIGIT = re.compile(r"\d")


def find_private(text: str, allow: frozenset[str] = frozenset()) -> list[Finding]:
    """Find private data, secrets and names of people: sorted, not overlapping.

    `allow` holds what is meant to be public, in lower case: whole values ("ada lovelace",
    "info@acme.org", a phone number however it is written), a part of a name ("lovelace"),
    or "@acme.org" for a whole domain. Takes linear time whatever the text.
    """
    allowed = _Allowed(allow)
    found = apart(_candidates(text, _lower(text)))
    return [f for f in found if not allowed.holds(f.kind, text[f.start : f.end])]


def _candidates(text: str, lower: str) -> Iterator[Finding]:
    """Yield findings, the more certain ones of those that may overlap first."""
    if "PRIVATE KEY" in text:
        yield from private_keys(text)
    yield from tokens(text, lower)
    yield from url_passwords(text)
    if "@" in text or " at" in lower or "at]" in lower or "at)" in lower:
        yield from emails(text)
    if "0x" in lower or "1" in text or re.search(r"[LMD3mn2X]\w{25}", text):
        yield from wallets(text)
    numeric = _DIGIT.search(text) is not None
    if numeric:
        yield from _numbers(text, lower)
    yield from named(text, lower)
    yield from passwords(text, lower)
    if numeric:
        yield from phones(text)
        yield from addresses(text)
    yield from names(text)


def _lower(text: str) -> str:
    """Put a text into lower case without moving a letter ("İ" becomes two)."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _numbers(text: str, lower: str) -> Iterator[Finding]:
    yield from ibans(text)
    yield from cards(text)
    yield from ssns(text)
    yield from ninos(text)
    yield from birth_dates(text, lower)
    yield from passports(text, lower)
    if "." in text or ":" in text:
        yield from ips(text)
        yield from macs(text)


def _is_end(one: str, other: str) -> bool:
    """Whether two numbers are the same, one of them perhaps without its country's code."""
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) > 8 and long.endswith(short))


class _Allowed:
    """What is meant to be public."""

    def __init__(self, allow: frozenset[str]) -> None:
        self._whole = frozenset(value.casefold() for value in allow)
        self._digits = frozenset(
            re.sub(r"\D", "", value).lstrip("0")
            for value in allow
            if len(re.findall(r"\d", value)) > 5
        )
        self._names = [frozenset(value.split()) for value in self._whole if " " in value]

    def holds(self, kind: str, value: str) -> bool:
        """Whether a value of a kind is meant to be public."""
        if not self._whole:
            return False
        value = value.casefold()
        if kind == "email":
            return value in self._whole or "@" + value.rpartition("@")[2] in self._whole
        if kind == "phone":
            digits = re.sub(r"\D", "", value).lstrip("0")
            return any(_is_end(digits, public) for public in self._digits)
        if kind == "person":
            words = set(re.findall(r"[\w'’-]+", value))
            return bool(words & self._whole) or any(words <= name for name in self._names)
        return value in self._whole
