"""What was found: a kind of private value and its place in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KINDS = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "card": "payment card numbers",
    "iban": "IBANs",
    "ssn": "US social security numbers",
    "nino": "UK national insurance numbers",
    "ip": "IP addresses",
    "mac": "MAC addresses",
    "birth_date": "dates of birth",
    "passport": "passport numbers",
    "address": "postal addresses",
    "aws_key": "AWS keys",
    "github_token": "GitHub tokens",
    "slack_token": "Slack tokens and webhooks",
    "api_key": "API keys",
    "jwt": "JSON web tokens",
    "private_key": "private keys",
    "url_password": "passwords in URLs",
    "password": "passwords",
    "wallet": "cryptocurrency wallets",
    "person": "names of persons",
}


def told(counts: dict[str, int]) -> str:
    """Write counts by kind for people, the most frequent first: "names of persons 7, IBANs 2"."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{KINDS[kind]} {number:,}" for kind, number in ordered)


@dataclass(frozen=True, slots=True)
class Finding:
    """A private value: `text[start:end]`, and its kind, one of KINDS."""

    kind: str
    start: int
    end: int


def apart(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by place and keep, of those that overlap, the one that came first."""
    kept: list[Finding] = []
    taken = bytearray()
    for found in findings:
        if len(taken) < found.end:
            taken.extend(bytes(found.end - len(taken)))
        if not any(taken[found.start : found.end]):
            taken[found.start : found.end] = b"\1" * (found.end - found.start)
            kept.append(found)
    return sorted(kept, key=lambda found: found.start)
