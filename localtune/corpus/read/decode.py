"""Bytes to text: which encoding, or that it is no text at all."""

from __future__ import annotations

import codecs
import re
from itertools import pairwise

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.I
)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# First bytes of kana and of the common ideographs or syllables, by the standards' own levels.
_COMMON = {
    "cp932": {0x81, 0x82, 0x83, *range(0x88, 0x98)},
    "euc_kr": {0xA1, *range(0xB0, 0xC9)},  # before those whose common range holds its own
    "gb18030": {0xA1, 0xA3, *range(0xB0, 0xD8)},
    "euc_jp": {0xA1, 0xA4, 0xA5, *range(0xB0, 0xD0)},
    "big5": {0xA1, *range(0xA4, 0xC7)},
}
_PAIRS = {
    "cp932": re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]"),
    "big5": re.compile(rb"[\x81-\xfe][\x40-\x7e\xa1-\xfe]"),
    **dict.fromkeys(("euc_jp", "gb18030", "euc_kr"), re.compile(rb"[\xa1-\xfe]{2}")),
}
# Alphabets other than Latin: the letters that a text in such an encoding must nearly all have.
_ALPHABETS = {
    "cp1255": re.compile("[א-ת]"),
    "cp1251": re.compile("[а-яёіїєґў]", re.I),
    "koi8_r": re.compile("[а-яё]", re.I),
    "iso8859_7": re.compile("[α-ωάέήίόύώϊϋΐΰ]", re.I),
    "cp1256": re.compile("[ء-ي]"),
}
_DETECTABLE = 200  # bytes beyond ASCII; with fewer, detectors are more often wrong than right


def decode(data: bytes, declares: bool = False) -> str | None:
    """Return the text of a file, or None where its bytes are no text.

    A byte order mark and UTF-8 are believed first, then, where the format `declares` one (HTML),
    the declared encoding, then a detector, then Windows-1252.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").removeprefix("\ufeff")
    unmarked = _utf16_without_mark(data)
    if unmarked:
        return data.decode(unmarked, "replace")
    # One stray control character is damage, several in a hundred bytes are a binary file.
    if b"\0" in data or len(_NOT_TEXT.findall(data)) * 100 > len(data):
        return None
    for encoding in _candidates(data, declares):
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return data.decode("cp1252", "replace")


def _utf16_without_mark(data: bytes) -> str:
    """Tell UTF-16 text of a Latin script by its zeros: in every second place, and only there."""
    head = data[:4000]
    half = len(head) // 2
    low, high = head[1::2].count(0), head[0::2].count(0)
    if len(data) % 2 or half < 2 or max(low, high) < 0.7 * half or min(low, high) > 0:
        return ""
    return "utf-16-le" if low else "utf-16-be"


def _candidates(data: bytes, declares: bool) -> list[str]:
    found = _DECLARED.search(data[:4096]) if declares else None
    declared = [found[1].decode("ascii", "replace")] if found else []
    detected: list[str] = []
    if _is_utf8(data):
        return ["utf-8"]
    known = _east_asian(data[:100_000]) or _alphabet(data[:100_000])
    if known:
        return [*declared, known]
    if sum(byte > 127 for byte in data[:100_000]) >= _DETECTABLE:
        from trafilatura.utils import detect_encoding  # slow to import, seldom needed

        detected = detect_encoding(data)
    return [*declared, *detected]


def _east_asian(data: bytes) -> str:
    """Tell a legacy East Asian encoding by its most common characters, "" where it is none.

    Detectors need more text than a small table has. In such text two-byte characters stand beside
    each other, and nearly all are of the level that each standard keeps for the common ones.
    """
    best, chosen = 0.8, ""
    for encoding, common in _COMMON.items():
        pairs = list(_PAIRS[encoding].finditer(data))
        beside = sum(a.end() == b.start() for a, b in pairwise(pairs))
        share = sum(found[0][0] in common for found in pairs) / max(len(pairs), 1)
        if len(pairs) > 2 and beside >= 0.5 * (len(pairs) - 1) and share > best:
            try:
                data.decode(encoding)
            except UnicodeDecodeError:
                continue
            best, chosen = share, encoding
    return chosen


def _alphabet(data: bytes) -> str:
    """Tell a one-byte encoding of another alphabet than Latin, "" where most letters are Latin.

    In a wrong one letters are of no such alphabet, or capitals stand within words.
    """
    high, latin = sum(byte > 127 for byte in data), len(re.findall(rb"[A-Za-z]", data))
    if high < 8 or high < 2 * latin:
        return ""
    best, chosen = 0.8, ""
    for encoding, letters in _ALPHABETS.items():
        text = data.decode(encoding, "replace")
        wrong = sum(a.islower() and b.isupper() for a, b in pairwise(text))
        share = (len(letters.findall(text)) - 3 * wrong) / high
        if share > best:
            best, chosen = share, encoding
    return chosen


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
