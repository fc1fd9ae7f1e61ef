"""Links of the documentation lead somewhere, and its words are plain. No site generator is used."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PROSE = [page for page in PAGES if page.name != "CHANGELOG.md"]
SITE = ROOT / "docs"
# Words with a plain equivalent, which is "use" below.
UNPLAIN = {
    r"\bupon\b": "on, on top of",
    r"\bleft away\b|\bleaves? (it|them|that|\S+) away\b": "dropped, skipped, omitted",
    r"\b[Mm]end(s|ed|ing)?\b": "fix",
    r"\bset aside\b": "held out",
    r"\bstrew(s|n|ed)?\b": "mix in, insert",
    r"\b(is|are|was|were) told (from|of)\b|\btold from\b": "extrapolated from",
    r"\b[Ww]hat came of\b": "result",
    r"\bgoes on where\b": "resumes",
    r"\bmemory lacks\b|\blacks? memory\b": "runs out of memory",
    r"\band said so\b|\bit is said that\b|\bwhat is said\b": "printed, reported",
    r"\bso many of (it|them)\b": "this many",
    r"\bstrays?\b": "diverges",
    r"\banew\b": "again",
    r"\b(stands?|lies?) (in|on|under|between|there)\b": "is, are",
    r"\bthe whole of\b": "all of",
    r"\bis no (model|address|name|number) of\b": "is not a",
    r"\bbehind (it|the command|its name)\b": "after",
}


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    seen: Counter[str] = Counter()
    made = []
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(made)


def links(page: Path) -> list[tuple[str, str]]:
    """Return (path, anchor) of the relative links and pictures of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\((?!\w+:)([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"
        if SITE in page.parents:
            assert SITE in target.parents, f"{path} is not on the site"


@pytest.mark.parametrize("page", sorted(SITE.rglob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_linked(page: Path) -> None:
    linked = {(p.parent / path).resolve() for p in PAGES for path, _ in links(p) if path}
    assert page in linked or page == SITE / "index.md"


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_words_are_plain(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    found = [(hit[0], use) for word, use in UNPLAIN.items() for hit in re.finditer(word, text)]
    assert not found
