"""What was found: a kind of private value and its place in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KINDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "card": "payment card number",
    "iban": "IBAN",
    "ssn": "US social security number",
    "nino": "UK national insurance number",
    "ip": "IP address",
    "mac": "MAC address",
    "birth_date": "date of birth",
    "passport": "passport number",
    "address": "postal address",
    "aws_key": "AWS key",
    "github_token": "GitHub token",
    "slack_token": "Slack token or webhook",
    "api_key": "API key",
    "jwt": "JSON web token",
    "private_key": "private key",
    "url_password": "password in a URL",
    "password": "password",
    "wallet": "cryptocurrency wallet",
    "person": "name of a person",
}


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
