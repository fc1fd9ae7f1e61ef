"""Addresses of machines: IPv4, IPv6, MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from localtune.privacy.find.context import after, before
from localtune.privacy.find.finding import Finding

_V4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\w)")
_V6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:]{6})[0-9A-Fa-f:]{2,39}(?:\d{0,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_MAC = re.compile(
    r"(?<![\w:.-])(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-])"
)
_NOBODYS = [
    ipaddress.ip_network(net)
    for net in "0.0.0.0/8 127.0.0.0/8 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 "
    "255.0.0.0/8 ::/127 2001:db8::/32 ff00::/8".split()
]
_VERSION = re.compile(
    r"(?:\bv|\bversions?|\brelease[ds]?|\bbuild|\bupdated?|\bupgraded?|\bfirmware|\bdriver|"
    r"\bsection|"
    r"\bclause|\bchapter|§|\bfig(?:ure)?\.?|\btable|\bparagraph|\bappendix|\bitem|\bstep|\boid|"
    r"\bsdk|"
    r"\brequirement|\bcontrol|\bchrome|\bfirefox|\bexcel|\bpatch|\btag|\bng|[=~<>^]=|/)"
    r"(?: (?:number|to|is|from|of))?[\s:(=\"'`]{0,3}$",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\bips?\b|ipv4|address|host|server|ping|ssh|subnet|gateway|\bdns|router|login|logged|log in|"
    r"connect|client|request|port|firewall|vpn|network|\blan\b|node|machine|traffic|scan|block|"
    r"endpoint|proxy|adresse|direcci|indirizzo|rechner|serveur|servidor|switch|printer|camera|"
    r"remote|\bat\b|\bfrom\b|listen|nameserver|inet|://|@", re.IGNORECASE
)  # fmt: skip


def ips(text: str) -> Iterator[Finding]:
    """Find IP addresses that may be a machine's; four numbers may also be a version."""
    for match in _V4.finditer(text):
        if _is_somebodys(match[0]) and not _is_version(text, match):
            yield Finding("ip", *match.span())
    if "::" in text or text.count(":") > 6:
        for match in _V6.finditer(text):
            found = match[0][:-1] if match[0].endswith(":") and match[0][-2] != ":" else match[0]
            if re.search(r"\d", found) and _is_somebodys(found):
                yield Finding("ip", match.start(), match.start() + len(found))


def _is_somebodys(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not any(address in net for net in _NOBODYS if net.version == address.version)


def _is_version(text: str, match: re.Match[str]) -> bool:
    lead = before(text, match.start(), 30)
    if _VERSION.search(lead) and not lead.endswith("://"):
        return True
    if lead.endswith("\n") and re.match(r" [A-Z]", text[match.end() : match.end() + 2]):
        return True
    if re.match(r"10\.0\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.", match[0]):
        return False
    small = max(map(int, match[0].split("."))) < 40
    return small and not _SAID.search(
        before(text, match.start(), 50) + after(text, match.end(), 20)
    )


def macs(text: str) -> Iterator[Finding]:
    """Find MAC addresses but the documentation's (RFC 7042) and broadcast."""
    for match in _MAC.finditer(text):
        digits = re.sub(r"[:.-]", "", match[0]).lower()
        if not digits.startswith("00005e0053") and len(set(digits)) > 1:
            yield Finding("mac", *match.span())
