"""Patterns of .localtuneignore, matched as git matches those of .gitignore, in linear time.

One regular expression for a whole path tries every way to share it among the stars, which takes
for ever with a few of them. Here a star takes as little as it can and never gives it back, which
finds the same paths. Source: https://git-scm.com/docs/gitignore and git's wildmatch.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PATTERN_CHARS = 1000
_TOKEN = re.compile(
    r"\\(?P<escaped>.)|(?P<stars>\*+)|(?P<one>\?)|(?P<plain>[^\\\[])"
    r"|\[(?P<negated>[!^]?)(?P<set>\]?(?:\[:\w+:\]|\\.|[^\]\\])*)\]",
    re.S,
)
_SET_ITEM = re.compile(r"\[:(\w+):\]|(\\.|[^\\])-(\\.|[^\\])|(\\.|[^\\])", re.S)
_NOTHING = re.compile("(?!)")
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "digit": "0-9", "lower": "a-z",
    "space": r"\s", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip


@dataclass(frozen=True)
class Pattern:
    """One line; `segments` are what stands between its slashes, None for `**`."""

    segments: tuple[re.Pattern[str] | None, ...]
    folders_only: bool
    leaves_out: bool  # False for a line that begins with `!`

    def matches(self, parts: tuple[str, ...], folder: bool) -> bool:
        """Whether the pattern names a path, given as its parts below the pattern's own folder."""
        if self.folders_only and not folder:
            return False
        i, k, retry = 0, 0, None  # parts[i] is compared with segments[k]
        while i < len(parts):
            segment = self.segments[k] if k < len(self.segments) else _NOTHING
            if segment is None:
                retry = (i, k := k + 1)
            elif segment.fullmatch(parts[i]):
                i, k = i + 1, k + 1
            elif retry:
                i, k = retry = (retry[0] + 1, retry[1])
            else:
                return False
        return k == len(self.segments)


def parse(line: str) -> Pattern | None:
    """Return the pattern of a line, None for a comment or an empty one.

    Raises ValueError or re.error for a line that is no pattern; git would take it for one that
    names nothing.
    """
    if len(line) > MAX_PATTERN_CHARS:
        raise ValueError("too long")
    line = re.sub(r"(?<!\\)((?:\\\\)*) +$", r"\1", line)
    if not line or line.startswith("#"):
        return None
    text = line.removeprefix("!")
    parts = text.removesuffix("/").removeprefix("/").split("/")
    if "/" not in text.removesuffix("/"):
        parts.insert(0, "**")
    if parts[-1] == "**":
        parts.append("*")  # the contents of a folder, not the folder
    if not all(parts):
        raise ValueError("nothing between two slashes")
    return Pattern(tuple(map(_segment, parts)), text.endswith("/"), line[0] != "!")


def _segment(text: str) -> re.Pattern[str] | None:
    """Return what matches one part of a path; the text between two stars is an atomic group."""
    if text == "**":
        return None
    chunks, end = [""], 0
    while end < len(text):
        token = _TOKEN.match(text, end)
        if not token:
            raise ValueError(f"unfinished: {text[end:]}")
        end = token.end()
        if token["stars"]:
            chunks.append("")
        else:
            chunks[-1] += _one_character(token)
    first, *others = chunks
    atomic = "".join(f"(?>.*?{chunk})" for chunk in others[:-1])
    return re.compile(first + atomic + "".join(f".*{chunk}" for chunk in others[-1:]), re.S)


def _one_character(token: re.Match[str]) -> str:
    if token["one"]:
        return "."
    if token["set"] is None:
        return re.escape(token["escaped"] or token["plain"])
    inner = ""
    for name, low, high, single in _SET_ITEM.findall(token["set"]):
        if name and name not in _CLASSES:
            raise ValueError(f"unknown class {name}")
        ends = [re.escape(end[-1]) for end in (low, high, single) if end]
        inner += _CLASSES[name] if name else "-".join(ends)
    return f"[{'^' if token['negated'] else ''}{inner}]"
