"""Cryptocurrency wallets: Base58Check, bech32, Ethereum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.checks import base58, bech32
from localtune.privacy.find.finding import Finding

_BASE58 = re.compile(r"(?<![\w/+=-])[13LMmn2DX][1-9A-HJ-NP-Za-km-z]{25,34}(?![\w/+=-])")
_BECH32 = re.compile(
    r"(?<!\w)(?:(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,87}|(?:BC|TB)1[02-9AC-HJ-NP-Z]{11,87})(?!\w)"
)
_ETHEREUM = re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)")


def wallets(text: str) -> Iterator[Finding]:
    """Find wallets whose checksum holds, and Ethereum addresses but the precompiled (0x0…)."""
    for match in _BASE58.finditer(text):
        if base58(match[0]):
            yield Finding("wallet", *match.span())
    for match in _BECH32.finditer(text):
        if bech32(match[0]):
            yield Finding("wallet", *match.span())
    for match in _ETHEREUM.finditer(text):
        if len(set(match[0][2:32])) > 3:
            yield Finding("wallet", *match.span())
