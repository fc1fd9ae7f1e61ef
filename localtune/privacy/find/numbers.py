"""Numbers that name a person or an account: cards, IBAN, SSN, NINO, passports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.checks import luhn, mod97
from localtune.privacy.find.context import after, before, is_named_otherwise, spots
from localtune.privacy.find.finding import Finding

_CARD = re.compile(r"(?<![\w.#-])(?<!\d[ +])\d(?:[ -]?\d){11,18}(?![\w-]|[.,]\d)")
_ISSUERS = (  # prefixes and lengths: ISO/IEC 7812 as the issuers publish it
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65|35(?:2[89]|[3-8])|60|81|82|508"), (16,)),  # Discover, JCB, RuPay
    (re.compile(r"30[0-5]|36|38|39"), (14, 16)),  # Diners
    (re.compile(r"62"), (16, 17, 18, 19)),  # UnionPay
    (re.compile(r"220[0-4]"), (16,)),  # Mir
    (re.compile(r"5018|5020|5038|56|57|58|6304|67"), (12, 13, 15, 16, 18, 19)),  # Maestro
)
_CARD_GROUPS = {
    (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 5), (6, 13),
    (4, 5, 6),
}  # fmt: skip
_CARD_SAID = re.compile(
    r"card|visa|master|amex|american express|maestro|discover|jcb|diners|karte|carte|tarjeta|carta|"
    r"kaart|credit|debit|paid|pay|charge|\bpan\b|\bcc\b", re.IGNORECASE
)  # fmt: skip

_IBAN = re.compile(r"(?<![\w-])[A-Za-z]{2}\d\d(?=[ -]?[A-Za-z0-9]{2})")
_IBAN_LENGTHS = {  # SWIFT IBAN registry
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip

_SSN = re.compile(r"(?<![\w.+/-])(?<!\d )\d{3}([ -]?)\d\d\1\d{4}(?![\w-]|[.,/]\d| \d)")
_SSN_SAID = re.compile(r"\bssn\b|social[ -]?sec|\bsoc\.? sec", re.IGNORECASE)
_NINO = re.compile(
    r"(?<![\w-])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]([ -]?)\d\d\1\d\d\1\d\d"
    r"(?:[ -]?[A-D])?(?![\w-])",
    re.IGNORECASE,
)
_NINO_SAID = re.compile(r"\bni(?:no|n)?\b|national[ -]insurance|n\.i\.", re.IGNORECASE)
_PASSPORT_SAID = re.compile(
    r"(?:passports?|reisepass|reisepässe|pass(?:nummer|nr)|passeport|pasaporte|passaporto|"
    r"passaporte|"
    r"paspoort|paszport\w{0,3}|pasaport|útlevél)(?:number|nummer|s?nr)?", re.IGNORECASE
)  # fmt: skip
_NEEDLES = ("pass", "reisepass", "reisepäss", "paspoort", "pasaport", "paszport", "útlevél")
_PASSPORT = re.compile(
    r"(?<![\w-])(?=[A-Z0-9 ]{0,11}\d)(?:[A-Z]{1,3} ?\d{5,9}[A-Z]?\d?|\d{7,10}|\d\d[A-Z]{2}\d{5}|"
    r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8,9})(?![\w-])"
)


def cards(text: str) -> Iterator[Finding]:
    """Find payment cards: an issuer's prefix and length, usual groups, Luhn."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        groups = tuple(map(len, re.split(r"[ -]", match[0])))
        plain = len(groups) == 1
        if not (plain or groups in _CARD_GROUPS) or len(digits) < 12 or not luhn(digits):
            continue
        if not any(start.match(digits) and len(digits) in sizes for start, sizes in _ISSUERS):
            continue
        said = _CARD_SAID.search(before(text, match.start(), 60) + after(text, match.end()))
        if said or not plain or not is_named_otherwise(text, match.start()):
            yield Finding("card", *match.span())


def ibans(text: str) -> Iterator[Finding]:
    """Find IBANs: a country's length and the check digits; with or without spaces."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        rest = re.compile(rf"(?:[ -]?[A-Za-z0-9]){{{length - 4}}}(?!\w)").match(text, match.end())
        if rest and mod97(re.sub(r"[ -]", "", match[0] + rest[0]).upper()):
            yield Finding("iban", match.start(), rest.end())


def ssns(text: str) -> Iterator[Finding]:
    """Find US social security numbers that may have been issued; bare digits only in context.

    Areas 000, 666 and 900-999, group 00 and serial 0000 are never issued (20 CFR 422.103, SSA).
    """
    for match in _SSN.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00":
            continue
        said = _SSN_SAID.search(
            before(text, match.start(), 50) + " " + after(text, match.end(), 25)
        )
        formatted = match[1] == "-" and not is_named_otherwise(text, match.start())
        if digits[5:] != "0000" and (formatted or said):
            yield Finding("ssn", *match.span())


def ninos(text: str) -> Iterator[Finding]:
    """Find UK national insurance numbers: prefixes in use (HMRC NIM39110)."""
    for match in _NINO.finditer(text):
        said = _NINO_SAID.search(
            before(text, match.start(), 50) + " " + after(text, match.end(), 25)
        )
        whole = match[0][-1].isalpha() and match[0].isupper()
        if said or (whole and not is_named_otherwise(text, match.start())):
            yield Finding("nino", *match.span())


def passports(text: str, lower: str) -> Iterator[Finding]:
    """Find passport numbers of many countries' shapes, near the word."""
    for said in filter(None, (_PASSPORT_SAID.match(text, at) for at in spots(lower, _NEEDLES))):
        near = re.compile(r"[\n.] ?\n|\n\n").split(after(text, said.end(), 60), maxsplit=1)[0]
        for match in _PASSPORT.finditer(text, said.end(), said.end() + len(near)):
            if not _is_made_up(match[0]):
                yield Finding("passport", *match.span())
                break
        else:
            yield from _passport_before(text, said.start())


def _passport_before(text: str, end: int) -> Iterator[Finding]:
    start = max(0, end - 25)
    for match in _PASSPORT.finditer(text, start, end):
        between = text[match.end() : end]
        if re.fullmatch(r"\W{1,3}(?:\w{1,8} ){0,2}\W{0,2}", between) and not _is_made_up(match[0]):
            yield Finding("passport", *match.span())


def _is_made_up(passport: str) -> bool:
    digits = re.sub(r"\D", "", passport)
    return digits.startswith("00"[: len(digits)]) and not re.search(r"[A-WYZ]", passport)
