"""Control characters in text that goes to a terminal: written out, so that they control nothing."""

from __future__ import annotations

import re

# C0 and C1 but for tab and newline, what reorders or breaks a line, and halves of surrogate pairs.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escape_controls(text: str) -> str:
    r"""Return a text with each control character written as \u001b.

    So does JSON write it: JSON stays the same value.
    """
    return HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))
