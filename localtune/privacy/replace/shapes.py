"""How a pseudonym of each kind is made: the shape of its value, in a range that is nobody's.

Each maker takes a value and the number it has among the values of its kind, from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from localtune.privacy.find.checks import luhn
from localtune.privacy.find.phones import public_length
from localtune.privacy.replace.pseudonym_words import FIRST_NAMES, SURNAMES

_NETS = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737
_PREFIX = re.compile(
    r"A(?:KIA|SIA|ROA|IDA)|gh[a-z]_|github_pat_|xox[a-z]-|xapp-|https://[a-z.]+/(?:services|"
    r"api/webhooks"
    r"|workflows|triggers)/|sk-(?:proj-|ant-|or-|svcacct-)?|hf_|AIza|GOCSPX-|ya29\.|"
    r"[a-z]{1,5}_(?:live|test)_|"
    r"whsec_|gl[a-z]{2,4}-|npm_|pypi-|SG\.|AC|SK|shp[a-z]{2}_|do[a-z]_v1_|dckr_pat_|gsk_|xai-|"
    r"lin_api_|ntn_|figd_|hvs\.|ATATT|key-|pplx-|r8_|eyJ|0x|bc1|tb1|ltc1|BC1|[13LMDX]"
)
_STREET_WORDS = re.compile(
    r"(?i)(?:street|str?|road|rd|ave(?:nue)?|lane|ln|drive|dr|boulevard|blvd|bd|court|ct|place|"
    r"pl|terrace|way|"
    r"close|crescent|square|sq|gardens?|grove|mews|hill|row|parade|highway|hwy|parkway|pkwy|"
    r"circle|trail|"
    r"quay|walk|green|rue|chemin|allées?|impasse|quai|cours|route|calle|c/|avenida|avda|av|"
    r"paseo|plaza|camino|carrera|"
    r"via|viale|piazza|corso|largo|vicolo|rua|praça|travessa|straße|strasse|platz|allee|weg|"
    r"ring|ufer|"
    r"gasse|apt|apartment|suite|ste|unit|flat|floor|box|p\.?o|postfach|de|la|le|du|des|del|"
    r"della|am|im|an|der|bis|ter|[nsew]{1,2})"
)
_COMPOUND = re.compile(
    r"(?i).{3,}?(straße|strasse|str\.|platz|allee|gasse|ufer|damm|weg|ring|straat|laan|gracht|"
    r"plein|"
    r"kade|dijk|singel)"
)


def identity(kind: str, value: str) -> str:
    """Return what two values of a kind have in common when they mean the same."""
    if kind in ("phone", "card"):
        return re.sub(r"\D", "", value)
    if kind in ("iban", "ssn", "nino", "mac", "passport"):
        return re.sub(r"[\W_]", "", value).lower()
    if kind in ("email", "address", "ip"):
        return " ".join(value.lower().split())
    return value


def email(_value: str, n: int) -> str:
    """An address at example.com (RFC 2606)."""
    i, count = n - 1, len(FIRST_NAMES)
    last = SURNAMES[(i + i // count) % len(SURNAMES)]
    return f"{FIRST_NAMES[i % count]}.{last}@example.com".lower()


def phone(value: str, n: int) -> str:
    """The country code and format, then 000: no country gives out such numbers."""
    kept = public_length(value)
    head, tail = value[:kept], value[kept:]
    count = len(re.findall(r"\d", tail))
    number = f"000555{n % 10_000:04}" if count == 10 else f"{n % 10 ** max(1, count - 3)}"
    return head + _poured(tail, number.rjust(count, "0"))


def card(value: str, n: int) -> str:
    """The issuer's first digit, zeros, a count, and a digit that fails the Luhn check."""
    count = len(re.findall(r"\d", value))
    body = value[0] + str(n).rjust(count - 2, "0")
    wrong = next(digit for digit in "123" if not luhn(body + digit))
    return _poured(value, body + wrong)


def iban(value: str, n: int) -> str:
    """The country and length with check digits 00, which no IBAN has."""
    count = len(re.findall(r"[A-Za-z0-9]", value))
    return _poured(value, value[:2].upper() + str(n).rjust(count - 2, "0"), r"[A-Za-z0-9]")


def ssn(value: str, n: int) -> str:
    """Area 000, which is never issued."""
    return _poured(value, str(n % 1_000_000).rjust(9, "0"))


def nino(value: str, n: int) -> str:
    """Prefix QQ, which is never issued (HMRC NIM39110)."""
    digits = str(n % 1_000_000).rjust(6, "0")
    return "QQ" + _poured(value[2:].upper(), digits)


def ip(value: str, n: int) -> str:
    """A documentation address: RFC 5737, RFC 3849."""
    if ":" in value:
        return f"2001:db8::{n:x}"
    net, host = divmod(n - 1, 254)
    return _NETS[net % 3] + str(host + 1)


def mac(value: str, n: int) -> str:
    """A documentation address, 00:00:5E:00:53:xx (RFC 7042)."""
    return _poured(value, f"00005E0053{n % 256:02X}", "[0-9A-Fa-f]")


def birth_date(value: str, n: int) -> str:
    """The written format, a year from 1900 to 1909."""
    year, low = n % 10, n // 10 % 12 + 1
    if re.fullmatch(r"\d{8}", value):
        return f"190{year}{low:02}01"
    long = re.search(r"\d{4}", value) is not None

    def number(found: re.Match[str]) -> str:
        if len(found[0]) == 4:
            return f"190{year}"
        last = not long and not re.search(r"\d", value[found.end() :])
        return f"0{year}" if last else str(low).rjust(len(found[0]), "0")

    return re.sub(r"\d+", number, value)


def passport(value: str, n: int) -> str:
    """The shape, with X for letters and zeros."""
    count = len(re.findall(r"\d", value))
    digits = str(n % 10 ** max(0, min(count - 2, 5))).rjust(count, "0")
    return _poured(re.sub(r"[A-Z]", "X", value), digits)


def address(value: str, n: int) -> str:
    """The street word and form; names become Example and Exampleton, postcodes zeros."""
    parts = re.split(r"(, ?\n? ?| ?\n ?)", value)
    street = next((i for i, part in enumerate(parts) if re.search(r"[^\W\d_]{3}", part)), 0)
    parts[::2] = [
        _made_up(part, n, "Example" if i * 2 <= street else "Exampleton")
        for i, part in enumerate(parts[::2])
    ]
    made = "".join(parts)
    return made if "Exampl" in made else re.sub(r"[^\W\d_]{2,}", "Example", made, count=1)


def _made_up(part: str, n: int, name: str) -> str:
    out: list[str] = []
    for word in part.split(" "):
        if re.search(r"\d", word):
            house = name == "Example" and str(n) not in out and len(word) < 6
            out.append(str(n) if house else re.sub(r"[^\W\d_]", "X", re.sub(r"\d", "0", word)))
        elif name == "Example" and _STREET_WORDS.fullmatch(word.strip(".")):
            out.append(word)
        elif name != "Example" and re.fullmatch(r"[A-Z]{2,3}", word):
            out.append("X" * len(word))
        elif name not in out:
            compound = _COMPOUND.fullmatch(word)
            out.append(name + compound[1] if compound else name)
    return " ".join(out)


def secret(value: str, _n: int) -> str:
    """The service's prefix, and x for every letter and digit after it."""
    prefix = _PREFIX.match(value)
    kept = prefix.end() if prefix and prefix.end() < len(value) - 6 else 0
    return value[:kept] + re.sub(r"[^\W_]", "x", value[kept:])


def private_key(value: str, _n: int) -> str:
    """The lines that begin and end the key, and x for what is between them."""
    parts = re.split(r"(-----(?:BEGIN|END) [^-]+-----)", value)
    return "".join(p if p.startswith("-----") else re.sub(r"[^\s\\]", "x", p) for p in parts)


def password(_value: str, _n: int) -> str:
    """Eight asterisks: not even the length is kept."""
    return "*" * 8


def _poured(shape: str, letters: str, slot: str = r"\d") -> str:
    """Put letters into the slots of a shape, one by one."""
    rest = iter(letters)
    return re.sub(slot, lambda found: next(rest, "0"), shape)


SHAPES: dict[str, Callable[[str, int], str]] = {
    "email": email, "phone": phone, "card": card, "iban": iban, "ssn": ssn, "nino": nino, "ip": ip,
    "mac": mac, "birth_date": birth_date, "passport": passport, "address": address,
    "private_key": private_key, "password": password, "url_password": password,
}  # fmt: skip
