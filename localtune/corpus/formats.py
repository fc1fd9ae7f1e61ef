"""The bytes of one file -> its title and its text as Markdown, cleaned. One reader a format."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from localtune.corpus.clean import holds_control, neutralise, repair, visible, without_brackets
from localtune.corpus.decode import decode
from localtune.corpus.elements import page_to_markdown, title_of
from localtune.corpus.headings import text_to_markdown
from localtune.corpus.markup import literal, plain_markdown, split_front_matter, without_template

MARKDOWN = MarkdownIt("commonmark").enable("table")
_FIRST_HEADING = re.compile(r"^# +(.+)$", re.M)


@dataclass(frozen=True)
class Text:
    """What a file says: its title ("" where it gives none) and its Markdown."""

    title: str
    markdown: str


def read_text(data: bytes, kind: str) -> Text | None:
    """Read the bytes of a file of a known format; None where they are no text.

    No control token of a chat template survives, neither as written nor once rendered.
    """
    decoded = decode(data, declares=kind == "html")
    if decoded is None:
        return None
    text = _READERS[kind](repair(decoded))
    markdown = _safe(text.markdown).strip()
    title = text.title or _first_heading(markdown)
    return Text(title_line(title), markdown)


def title_line(title: str) -> str:
    """Return a title as one safe line of at most 200 characters."""
    line = " ".join(neutralise(visible(title)).split())[:200].strip()
    return without_brackets(line) if holds_control(line) else line


def plain(inline: Token) -> str:
    """Return what a reader sees of an inline token: no marks, no link targets, no images."""
    breaks = ("softbreak", "hardbreak")
    seen = [
        child.content if child.type in ("text", "code_inline") else " " * (child.type in breaks)
        for child in inline.children or []
    ]
    return " ".join("".join(seen).split())


def _from_markdown(source: str) -> Text:
    title, body = split_front_matter(source.lstrip("\n"))
    return Text(title, plain_markdown(body))


def _from_plain(source: str) -> Text:
    return Text("", literal(text_to_markdown(source)))


def _from_html(source: str) -> Text:
    title, page = split_front_matter(source.lstrip("\n"))
    if page is not source.lstrip("\n"):
        page = without_template(page)  # front matter: the source of a site generator
    markdown = literal(_page(page))
    return Text(title or _first_heading(markdown) or title_of(page), markdown)


def _page(page: str) -> str:
    """Extract the main text with trafilatura; all of it where that finds too little."""
    import trafilatura

    # It reports pages it finds nothing in; read_corpus says so in its own words.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL + 1)
    found = trafilatura.extract(
        page,
        output_format="markdown",
        include_tables=True,
        include_formatting=True,
        include_links=False,
        include_comments=False,
        favor_recall=True,
    )
    if found and ("#" in found or not re.search(r"<h[1-6]\b", page, re.I)):
        return str(found)
    return page_to_markdown(page) or str(found or "")


def _first_heading(markdown: str) -> str:
    found = _FIRST_HEADING.search(markdown)
    return plain(MARKDOWN.parseInline(found[1])[0]) if found else ""


def _safe(markdown: str) -> str:
    """Neutralise control tokens, those included that only rendering would bring to light."""
    text = neutralise(re.sub(r"[ \t]+$", "", visible(markdown), flags=re.M))
    if any(letter in text for letter in "<[&") and any(
        holds_control(seen) for seen in _rendered(text)
    ):
        return without_brackets(text)
    return text


def _rendered(markdown: str) -> list[str]:
    return [plain(token) for token in MARKDOWN.parse(markdown) if token.type == "inline"]


_READERS: dict[str, Callable[[str], Text]] = {
    "md": _from_markdown,
    "txt": _from_plain,
    "html": _from_html,
}
