"""E-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.finding import Finding
from localtune.privacy.find.words import FIRST, SURNAME, WORD, flags
from localtune.privacy.replace.pseudonym_words import is_pseudonym

_EMAIL = re.compile(
    r"(?<![\w.%+'&-])(?<!//)(?:\"[\w .+-]{1,40}\"|[\w.!#$%'*+~-]{1,64})@"
    r"((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}(?:[^\W\d_]{2,24}|xn--[a-z0-9]{2,20}))(?![\w-]|\.\w)"
)
_SPELT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?[\[({] ?at ?[\])}] ?[\w-]{1,63}"
    r"(?: ?(?:\.|[\[({] ?dot ?[\])}]) ?[\w-]{2,63}){1,4}(?![\w-])",
    re.IGNORECASE,
)
_RESERVED = re.compile(  # RFC 2606, RFC 6761
    r"(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost|local)$", re.IGNORECASE
)
_NOT_A_DOMAIN = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py|md|txt|html?|json|ya?ml)$")


def emails(text: str) -> Iterator[Finding]:
    """Find e-mail addresses, also "name [at] host [dot] org"; not a service's or nobody's."""
    for match in _EMAIL.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip("'*{=!#"))
        local = text[start : match.start(1) - 1]
        if local and not _is_nobodys(local, match[1]):
            yield Finding("email", start, match.end())
    if re.search(r"[\[({] ?at ?[\])}]", text, re.IGNORECASE):
        yield from (Finding("email", *match.span()) for match in _SPELT.finditer(text))


def _is_nobodys(local: str, domain: str) -> bool:
    if local == "git" or _NOT_A_DOMAIN.search(domain):
        return True
    if not _RESERVED.search(domain):
        return False
    words = re.findall(r"[^\W\d_]{3,}", local)
    if words and all(map(is_pseudonym, words)):
        return True
    # People write examples with real-looking names; user@example.org says nothing of anybody.
    return not any(flags(word) & (FIRST | SURNAME) and not flags(word) & WORD for word in words)
