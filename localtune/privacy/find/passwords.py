"""Passwords: in URLs, and where the text says that something is one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.context import spots
from localtune.privacy.find.finding import Finding
from localtune.privacy.find.words import flags

_IN_URL = re.compile(
    r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://([^\s:/@\"'<>]{0,64}):([^\s@\"'<>]{1,128})@"
)
_SAID = re.compile(
    r"(passwor[dt]s?|passwd|passphrase|(?<![a-z])(?:passcode|pass|pwd|pw|pin(?: ?code)?|clave|"
    r"parola)|"
    r"kennwort|mot de passe|contraseña|contrasena|wachtwoord|senha|hasło|lösenord|adgangskode|"
    r"salasana|"
    r"şifre)(?![a-z])[\"'`*)\]]{0,3}"
    r"(?: (?:for|to|of|für|de|du|pour|per|voor) (?:[\w.'@-]{1,30} ){0,4}?)?[ \t]{0,3}"
    r"(?:(?P<sign>:=|=>|==?|:|->|→|\|)|(?<=\s)(?:is|are|was|ist|lautet|est|es|è|war|becomes|"
    r"to)(?=[\s:]))[ \t]{0,3}"
    r"(?:(?:now|currently|set to|still|jetzt)\s)?:?[ \t]{0,2}"
    r"(?P<quote>[\"'`*“‘«]{0,3})(?P<value>[^\s\"'`“”‘’«»|]{4,128})",
    re.IGNORECASE,
)
_NEEDLES = ("pass", "pwd", "pw ", "pw:", "pw=", "pin", "mot de passe", "kennwort", "contrase",
    "clave", "wachtwoord", "senha", "hasło",
            "lösenord", "adgangskode", "parola", "şifre", "salasana")  # fmt: skip
_PLACEHOLDER = re.compile(
    r"[<\[{(%$].*|[*•x.X_#?-]+|.*(?:\$\{|\{\{|<|\().*|your|my|the|.*(?:your|password_?here|"
    r"redacted|changeme|placeholder|example)"
    r".*|(?:os|process|env|self|config|settings|request|req|user|args|params|data|form|"
    r"this)[.\[].*|"
    r"(?:null|none|true|false|nil|undefined|string|str|text|varchar|required|optional|n/a|tbd|todo|"
    r"(?:user|db|my|new|old)?_?(?:password|passwd|pass|pwd|secret|passphrase))\W{0,2}|"
    r"https?:.*|.*\.(?:html?|md|php|txt|pdf)",
    re.IGNORECASE | re.DOTALL,
)


def url_passwords(text: str) -> Iterator[Finding]:
    """Find the password in "scheme://user:password@host"."""
    if "://" in text and "@" in text:
        for match in _IN_URL.finditer(text):
            if not _PLACEHOLDER.fullmatch(match[2]):
                yield Finding("url_password", *match.span(2))


def passwords(text: str, lower: str) -> Iterator[Finding]:
    """Find passwords that the text calls so, but placeholders, rules about them and links."""
    for match in filter(None, (_SAID.match(text, at) for at in spots(lower, _NEEDLES))):
        value = _trimmed(match["value"])
        pin = match[1].lower().startswith("pin")
        if len(value) < 4 or _PLACEHOLDER.fullmatch(value):
            continue
        if re.fullmatch(r"\d{4,8}", value) if pin else _is_password(value, match):
            start = match.start("value")
            yield Finding("password", start, start + len(value))


def _trimmed(value: str) -> str:
    value = re.sub(r"(?:\*\*|[.,;:)\]}>]|\\n)+$", "", value)
    return value[:-1] if re.fullmatch(r"[A-Za-z]+[!?]", value) else value


def _is_password(value: str, match: re.Match[str]) -> bool:
    """Whether it looks made up: an ordinary word counts only if it is quoted or assigned."""
    sign, quoted = match["sign"], bool(match["quote"].strip("*"))
    letters_only = re.fullmatch(r"[^\W\d_]+(?:[-'/][^\W\d_]+)*", value) is not None
    if not letters_only:
        return bool(sign or quoted or re.search(r"\d|[!@#$%^&*+=]", value)) and not _is_amount(
            value, sign
        )
    if value.count("-") > 1:
        return bool(sign or quoted)
    if re.search(r"[a-z][A-Z]", value) and not flags(value) and match[1].islower():
        return True
    rest = match.string[match.end() : match.end() + 12]
    alone = re.match(r"[\"'`*”’»]*(?:[.,;)]?\s*$|[.,;)]?\s*\n|[,;)])", rest) is not None
    said = match["value"][-1:] in ",;" or alone
    return bool(quoted and sign) or bool((sign or quoted) and said and not flags(value))


def _is_amount(value: str, sign: str | None) -> bool:
    return re.fullmatch(r"\d{1,3}(?:[-–]\d{1,3})?\+?", value) is not None and not sign
