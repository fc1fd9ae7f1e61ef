"""Pseudonyms: values of the same shape that are nobody's, and the text with them put in.

Each lies in a range that is reserved, never issued, or fails its checksum, so that it can't
be anybody's and is never found again. They are given in order of first appearance: nothing of
a value, no hash either, can be read from its pseudonym.
"""

from __future__ import annotations

from collections.abc import Callable

from localtune.privacy.find.finding import Finding
from localtune.privacy.replace import shapes
from localtune.privacy.replace.name_pseudonyms import NamePseudonyms


class Pseudonyms:
    """The pseudonyms of one build: the same value always gets the same one."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        self._names = NamePseudonyms()

    def of(self, kind: str, value: str) -> str:
        """Return the pseudonym of a value: of its shape, nobody's, and no finding itself."""
        if kind == "person":
            return self._names.of(value)
        key = kind, shapes.identity(kind, value)
        if key not in self._given:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[key] = self._counts[kind]
        make: Callable[[str, int], str] = shapes.SHAPES.get(kind, shapes.secret)
        return make(value, self._given[key])


def scrub(text: str, findings: list[Finding], pseudonyms: Pseudonyms) -> str:
    """Return a text with a pseudonym in the place of each finding (sorted, not overlapping)."""
    pieces, done = [], 0
    for finding in findings:
        value = text[finding.start : finding.end]
        pieces += [text[done : finding.start], pseudonyms.of(finding.kind, value)]
        done = finding.end
    return "".join([*pieces, text[done:]])
