"""Checksums that tell a real number from one that only looks like it."""

from __future__ import annotations

from functools import reduce
from hashlib import sha256

_BASE58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_STEPS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_ENDS = (1, 0x2BC830A3)  # bech32 and bech32m


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1)."""
    total = sum(map(int, digits[-1::-2]))
    return (total + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])) % 10 == 0


def mod97(iban: str) -> bool:
    """Whether the check digits of an IBAN without spaces hold (ISO 13616, ISO 7064)."""
    if not "02" <= iban[2:4] <= "98":
        return False
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def base58(address: str) -> bool:
    """Whether a Bitcoin-style address ends in the checksum of its 21 bytes (Base58Check)."""
    number = reduce(lambda number, letter: number * 58 + _BASE58[letter], address, 0)
    if number.bit_length() > 200:
        return False
    data = number.to_bytes(25, "big")
    return sha256(sha256(data[:21]).digest()).digest()[:4] == data[21:]


def bech32(address: str) -> bool:
    """Whether a segwit address holds its checksum (BIP 173, BIP 350)."""
    prefix, _, data = address.lower().rpartition("1")
    spread = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = 1
    for value in spread + [_BECH32.get(c, 0) for c in data]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        check = reduce(lambda c, i: c ^ (_BECH32_STEPS[i] * (top >> i & 1)), range(5), check)
    return check in _BECH32_ENDS and set(data) <= set(_BECH32)
