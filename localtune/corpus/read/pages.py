"""The pages of a PDF -> one text without their headers, footers and numbers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from localtune.corpus.clean.boilerplate import Removed
from localtune.corpus.clean.hyphens import unhyphenated

_FENCE = re.compile(r"[ >]{0,8}(?:```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_PAGE_NUMBER = re.compile(
    r"[-–—\[(]? ?(?:page|pg\.|p\.|seite|s\.|página|pagina|pág\.|strona|sida|side|стр\.|sivu|第)? ?"
    r"(?P<n>\d{1,4}|[ivxlc]{1,7})(?: ?(?:of|/|von|de|sur|di|из|av|z) ?\d{1,4})?[ \])–—页頁-]{0,3}"
)
_Place = tuple[int, int]  # page, line


def join_pages(pages: list[str]) -> tuple[str, list[Removed]]:
    """Join the text of a PDF's pages without their headers, footers and numbers.

    A line at the top or bottom is one of these where it stands there on 3 pages and on 40 % of all
    (or of the left or the right ones), whatever the numbers in it. A sentence that goes on over the
    break stays whole, and words broken at line ends are mended.
    """
    split = [page.strip("\n").split("\n") for page in pages]
    what = _running(split)
    what |= _page_numbers(split, what)
    parts: list[str] = []
    for p, lines in enumerate(split):
        rest = "\n".join(line for i, line in enumerate(lines) if (p, i) not in what).strip("\n")
        if rest.strip():
            parts += [_glue(parts[-1], rest) if parts else "", rest]
    gone: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for (p, i), label in sorted(what.items()):
        gone[label][split[p][i].strip()] = None
    removed = [Removed(label, "\n".join(found)) for label, found in gone.items()]
    return unhyphenated("".join(parts)), removed


def _running(split: list[list[str]]) -> dict[_Place, str]:
    """Find the lines that run over the tops or the bottoms of pages."""
    found: dict[_Place, str] = {}
    filled = [[i for i, line in enumerate(lines) if line.strip()] for lines in split]
    for step, label in (1, "page header"), (-1, "page footer"):
        places: defaultdict[str, set[int]] = defaultdict(set)
        for p, lines in enumerate(split):
            for i in filled[p][::step][:3]:
                places[_running_key(lines[i])].add(p)
        running = {key for key, on in places.items() if key and _runs(on, len(split))}
        for p, lines in enumerate(split):
            for i in filled[p][::step][:3]:
                if _running_key(lines[i]) in running:
                    found[p, i] = label
                elif len(lines[i]) > 80 or lines[i].rstrip()[-1] in ".!?:;,":
                    break  # text: what lies beyond it is the page's own
    return found


def _running_key(line: str) -> str:
    """Return a line with its numbers alike; "" for a table's and a page number's."""
    line = " ".join(line.strip(" #*_\t").casefold().split())
    if "|" in line or len(line) > 200 or _PAGE_NUMBER.fullmatch(line):
        return ""
    # "Chapter 3" alone is a heading, and its number what it says.
    return line if re.fullmatch(r"[^\W\d]+ \d+\W?", line) else re.sub(r"\d+", "0", line)


def _runs(on: set[int], pages: int) -> bool:
    right = sum(p % 2 for p in on)
    counts = ((len(on), pages), (right, pages // 2), (len(on) - right, (pages + 1) // 2))
    return any(count >= max(3, 0.4 * of) for count, of in counts)


def _page_numbers(split: list[list[str]], gone: dict[_Place, str]) -> dict[_Place, str]:
    """Find numbers that stand alone at an edge; bare ones where two pages count alike."""
    met: dict[_Place, int] = {}
    sure: set[_Place] = set()
    for p, lines in enumerate(split):
        left = [i for i, line in enumerate(lines) if line.strip() and (p, i) not in gone]
        for i in {*left[:1], *left[-1:]}:
            line = " ".join(lines[i].casefold().strip(" *_#").split())
            if found := _PAGE_NUMBER.fullmatch(line):
                met[p, i] = _value(found["n"]) - p
                sure |= {(p, i)} if line != found["n"] else set()
    alike = Counter(met.values())
    return {at: "page number" for at, n in met.items() if at in sure or alike[n] > 1}


def _value(number: str) -> int:
    if number.isdigit():
        return int(number)
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[letter] for letter in number]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _glue(before: str, after: str) -> str:
    """Return what stands between two pages: one line end where a sentence goes on."""
    last, first = before[before.rfind("\n") + 1 :].rstrip(), after.lstrip()
    block = _HEADING.match(last) or "|" in last or _FENCE.match(last) or _ITEM.match(after)
    goes_on = last[-1:] not in ".!?:;…。！？" and first[:1].islower()
    return "\n" if goes_on and not block else "\n\n"
