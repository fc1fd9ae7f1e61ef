"""The body of a server's answer, read within limits: a server may be hostile, or broken."""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Iterable
from typing import Any

MAX_REPLY_BYTES = 16 << 20  # unpacked; an answer is some kB, a long list of models 1 MB


class ReplyError(Exception):
    """An answer is too long, or comes too slowly."""


def read_text(chunks: Iterable[bytes], deadline: float, most: int = MAX_REPLY_BYTES) -> str:
    """Return the text of unpacked chunks; bytes that are no UTF-8 are replaced.

    `deadline` is a time of time.monotonic. Raises ReplyError where there are more than `most`
    bytes, or where they aren't all there by then.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise ReplyError(f"its answer is longer than {most >> 20} MB")
        if time.monotonic() > deadline:
            raise ReplyError("its answer doesn't end")
    return codecs.decode(bytes(body), "utf-8", "replace")


def json_object(text: str) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
