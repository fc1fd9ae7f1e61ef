"""Bytes to text: which encoding, or that it is no text at all."""

from __future__ import annotations

import codecs
import re

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
    if not _is_utf8(data) and sum(byte > 127 for byte in data[:100_000]) >= _DETECTABLE:
        from trafilatura.utils import detect_encoding  # slow to import, seldom needed

        detected = detect_encoding(data)
    return ["utf-8", *declared, *detected]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
