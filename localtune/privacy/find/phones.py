"""Phone numbers: candidates by shape, verified with phonenumbers (the only importer of it).

A national number counts where it is written as its country writes it, or where the words
around say that it is a phone. A number that begins with zeros is a pseudonym's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.context import after, before, is_named_otherwise
from localtune.privacy.find.finding import Finding

_CANDIDATE = re.compile(
    r"(?<![\w/.,=_$€£¥+-])(?<!\d [(])(?:\+ ?|\(\+)?\(?\d[\d().\-/ –\u2011]{5,24}\d(?![\w%€$£°])"
)
_GAP = re.compile(r" {2,}|[.,] | [-–/(]{1,2} ?(?=\d)|(?<=\d)\)(?=\d)?")
_SAID_BEFORE = re.compile(
    r"(?:\b(?:tele)?phones?|\btel(?:efon\w{0,6}|éfono|ephone|\.)?|\bt[ée]l(?:[ée]phone|\.)?|"
    r"\bcall(?:ed|ing|s)?|\bmobiles?|\bcell(?:phone|ulare|ular)?|\bfax|\bring|\btext(?:ed)?|\bsms|"
    r"\breach(?:ed|able)?|\bwhats ?app|\bsignal|\bhandy\w{0,6}|\bmobil\w{0,8}|\bm[óo]vil|\bcelular|"
    r"\btelefoon\w{0,7}|\bmobiel|\bhotline|\bhelpline|\bdial(?:led|ing)?|\bph|\bruf\w{0,8}|"
    r"\banruf\w{0,3}|\bappel\w{0,4}|\bportable|\bllam\w{0,4}|\bchiam\w{0,5}|\bnumero|\bdurchwahl|"
    r"\bextension|\bdirect|\blandline|\bvoicemail|\bnumber|\bcontact|\bbel(?:len)?|\bfestnetz|"
    r"\bauf|\bunter|\bau|\bal|\b[TMFPC](?=:)|\bemergency|\bdesk|\boffice|\bhome|\bphoned|\bno|"
    r"☎|📞|📱)"
    r"\b[^\n\d+]{0,30}$",
    re.IGNORECASE,
)
_SAID_STRONGLY = re.compile(
    r"phone|\btel\b|\btel[.:]|\bt[ée]l[ée]?|\bcall|mobil|\bcell\b|\bfax\b|\bring\b|\btext|"
    r"\bsms|whats"
    r"|handy|m[óo]vil|celular|mobiel|hotline|\bdial|\bph\b|\bruf|appel|llam|chiam|landline|"
    r"voicemail"
    r"|reach|[☎📞📱]", re.IGNORECASE
)  # fmt: skip
_SAID_AFTER = re.compile(
    r"^[ ,]{0,2}[(\[]?(?:mobile|cell|phone|tel|fax|office|home|work|landline|direct|ext|x ?\d|"
    r"whatsapp|"
    r"handy|mobil|geschäftlich|privat|voice|toll)", re.IGNORECASE
)  # fmt: skip
_NORTH_AMERICA = re.compile(
    r"(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-.]\d{4}|(?:1[-. ])?\(\d{3}\) ?\d{3} \d{4}"
)
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "AU", "IN", "IE", "BE", "PT",
            "BR", "MX", "ZA", "PL", "SE", "DK", "NO", "JP", "SG", "NZ")  # fmt: skip
_HOME = 11  # so many of them are believed on their format alone
_PLAIN = re.compile(
    r"\d\d-\d{7}|\d{4}-\d{2}-\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d ?[-–/] ?(?:19|"
    r"20)?\d\d"
)


def phones(text: str) -> Iterator[Finding]:
    """Find phone numbers, international ones and those of some two dozen countries."""
    for match in _CANDIDATE.finditer(text):
        for start, end in _pieces(match):
            if _is_phone(text, start, end):
                yield Finding("phone", start, end)


def _pieces(match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield where a candidate may lie: whole, or cut where no number has a gap."""
    whole = match[0]
    end = match.end() - (whole.count("(") < whole.count(")") and whole.endswith(")"))
    start = match.start()
    for gap in _GAP.finditer(whole):
        if gap[0].startswith((" ", ".", ",")) and gap.end() < len(whole):
            if gap[0].strip(" ") in ("-", "–", "/") and whole.lstrip("(").startswith(("+", "0")):
                continue
            if gap[0] == " (" and re.match(r"\d{1,4}\)", whole[gap.end() :]):
                continue
            yield start, match.start() + gap.start()
            start = match.start() + gap.end()
    yield start, end


def _is_phone(text: str, start: int, end: int) -> bool:
    written = text[start:end]
    digits = re.sub(r"\D", "", written)
    if not 7 <= len(digits) <= 15 or _PLAIN.fullmatch(written) or _is_pseudonym(written):
        return False
    if "000000" in digits:  # a pseudonym of a card
        return False
    lead = before(text, start, 45)
    said = _SAID_BEFORE.search(lead) or _SAID_AFTER.search(after(text, end, 15))
    if written.lstrip("( ").startswith("+"):
        return _holds(re.sub(r"\(0\)", "", written), None, bool(said))
    if is_named_otherwise(text, start) and not _SAID_STRONGLY.search(lead):
        return False
    if digits.startswith("00") and _holds("+" + digits[2:], None, False):
        return True
    if _NORTH_AMERICA.fullmatch(written):
        return bool(said) or _holds(written, "US", False)
    if said and len(re.findall(r"\d+", written)) > 6:
        return False
    strong = bool(said and _SAID_STRONGLY.search(lead + after(text, end, 15)))
    if strong or (said and len(digits) > 8):
        return _in_some_region(written, digits, strong)
    return _is_formatted(written, digits)


def public_length(written: str) -> int:
    """Return how many characters of a number are its "+", country code and "(0)"."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as CODES

    prefix = re.match(r"\(?\+ ?\(?|\(?00 ?(?=[1-9])", written)
    if not prefix:
        trunk = re.match(r"1[-. ](?=\D?\d{3})", written)
        return trunk.end() if trunk else 0
    end = prefix.end()
    sizes = (size for size in (1, 2, 3) if written[end : end + size].isdigit())
    size = next((s for s in sizes if int(written[end : end + s]) in CODES), 0)
    trunk = re.match(r"\)? ?\(0\)", written[end + size :])
    return end + size + (trunk.end() if trunk else 0)


def _is_pseudonym(written: str) -> bool:
    return re.sub(r"\D", "", written[public_length(written) :]).startswith("000")


def _holds(written: str, region: str | None, lenient: bool) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return False
    if lenient:
        return phonenumbers.is_possible_number(number)
    return phonenumbers.is_valid_number(number)


def _in_some_region(written: str, digits: str, strong: bool) -> bool:
    if re.fullmatch(r"\d{3}[-. ]\d{4}", written):  # local, without an area code
        return strong
    if strong and 9 <= len(digits) <= 12 and re.search(r"\D", written):
        return True
    return any(_holds(written, region, False) for region in _REGIONS)


def _is_formatted(written: str, digits: str) -> bool:
    """Whether a number without a word around it is written just as its country writes it."""
    import phonenumbers

    if not (digits.startswith("0") and re.search(r"\D", written)) or not 9 <= len(digits) <= 12:
        return False
    groups = re.findall(r"\d+", written)
    for region in _REGIONS[1:_HOME]:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            style = phonenumbers.PhoneNumberFormat.NATIONAL
            if re.findall(r"\d+", phonenumbers.format_number(number, style)) == groups:
                return True
            if "(" in written or "/" in written or (len(groups) == 2 and len(groups[0]) > 2):
                return True
    return False
