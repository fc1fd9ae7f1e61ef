"""The control tokens of a base, such as <|im_end|>: found in a text, or taken apart there.

A text of a teacher may hold what a tokenizer reads as the end of a turn and the beginning of the
next: forged turns. (corpus/clean/characters.py takes apart whatever looks like a control token of
any model in documents and chats; these are exactly the tokens of one base.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Some bases don't declare the tokens of their roles as special (DeepSeek's are such).
ROLE_SHAPE = re.compile(r"<[|｜].+[|｜]>", re.S)


class ControlTokens:
    """A set of control tokens to be found in a text, or taken apart there."""

    def __init__(self, tokens: Iterable[str]) -> None:
        longest_first = sorted({t for t in tokens if t.strip()}, key=lambda t: (-len(t), t))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def found_in(self, text: str) -> bool:
        """Whether a text holds a control token."""
        return bool(self._pattern.search(text))

    def neutralise(self, text: str) -> str:
        """Return a text with a space inside each control token, so that it is read as text.

        A token of one character is dropped.
        """
        return self._pattern.sub(_take_apart, text)


def _take_apart(found: re.Match[str]) -> str:
    token = found[0]
    return f"{token[0]} {token[1:]}" if len(token) > 1 else ""


def control_tokens(added: Iterable[tuple[str, bool]]) -> ControlTokens:
    """Return those of a tokenizer's added tokens, given as (text, whether it is special)."""
    return ControlTokens(text for text, special in added if special or ROLE_SHAPE.fullmatch(text))


def control_tokens_of(base: Path) -> ControlTokens:
    """Read the control tokens of a base in transformers' format."""
    rows = [
        *_json(base / "tokenizer.json").get("added_tokens", ()),
        *_json(base / "tokenizer_config.json").get("added_tokens_decoder", {}).values(),
    ]
    return control_tokens((str(row["content"]), bool(row.get("special"))) for row in rows)


def _json(file: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    return found
