"""The bytes of one file -> its title and its text as Markdown, safe to train on. By format."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from localtune.config.extras import OCR, is_installed
from localtune.corpus.clean.boilerplate import Removed
from localtune.corpus.clean.characters import (
    holds_control,
    neutralise,
    repair,
    visible,
    without_brackets,
)
from localtune.corpus.read import ocr
from localtune.corpus.read.chats import Message, are_chats, read_chats
from localtune.corpus.read.data import csv_to_markdown, fenced, json_to_markdown
from localtune.corpus.read.decode import decode
from localtune.corpus.read.elements import page_to_markdown, title_of
from localtune.corpus.read.headings import text_to_markdown
from localtune.corpus.read.layout import to_markdown
from localtune.corpus.read.magic import actual_format
from localtune.corpus.read.markup import (
    literal,
    plain_markdown,
    split_front_matter,
    without_template,
)
from localtune.corpus.read.office import TYPES, to_pages
from localtune.corpus.read.pages import join_pages
from localtune.corpus.read.pdf import read_pages
from localtune.corpus.read.source import code_to_markdown
from localtune.errors import UnreadableError

MARKDOWN = MarkdownIt("commonmark").enable("table")
BLOCKS = MarkdownIt("commonmark").enable("table").disable("inline")  # twice as fast
# Links, entities, tags and the ends of code: what rendering takes out of the middle of a text.
# Marks such as * are looked through by holds_control itself.
_COULD_CHANGE = re.compile(r"\][(\[:]|&#?\w|<[A-Za-z/!?]|[<\[|｜] ?`")
_FIRST_HEADING = re.compile(r"^# +(.+)$", re.M)
_HOW_TO_SCAN = f"`pip install localtune[{OCR}]` reads scans"
_BULLET = re.compile(r"^[•·▪●] *", re.M)
_MAIL_HEAD = re.compile(r"\A\*\*Subject\*\*: (.*)\n")
_ADDRESS = re.compile(r"\\?<([\w.+-]{1,64}@[\w.-]{1,255})\\?>")
_MESSAGE_ID = re.compile(r"^\*\*Message-ID\*\*: .*\n+", re.M)


@dataclass(frozen=True)
class Text:
    """What a file says: its title ("" where it gives none) and its Markdown.

    `chats` are the conversations of a JSONL file; `removed` is what was left out on the way;
    `reason` says why there is nothing, where there is nothing.
    """

    title: str
    markdown: str
    chats: tuple[list[Message], ...] = ()
    removed: tuple[Removed, ...] = ()
    reason: str = ""


def read_text(data: bytes, kind: str, name: str = "") -> Text:
    """Read the bytes of a file of a known format; `name` tells the language of source code.

    No control token of a chat template survives, neither as written nor once rendered. Raises
    UnreadableError with the reason that is listed.
    """
    kind = actual_format(data, kind)
    text = _from_bytes(data, kind) if kind in _OF_BYTES else _from_text(data, kind, name)
    markdown = safe(text.markdown).strip()
    title = text.title or _first_heading(markdown)
    return replace(text, title=title_line(title), markdown=markdown)


def _from_bytes(data: bytes, kind: str) -> Text:
    if kind == "mbox":
        return _from_mbox(data)
    if kind == "pdf":
        return _from_pdf([repair(page) for page in to_markdown(read_pages(data))], data)
    pages = [repair(page) for page in to_pages(data, kind)]
    if kind in ("eml", "msg"):
        return Text("", literal(_mail(pages[0], "#")))
    return Text("", plain_markdown("\n\n".join(pages)))


def _from_text(data: bytes, kind: str, name: str) -> Text:
    decoded = decode(data, declares=kind == "html")
    if decoded is None:
        return Text("", "", reason="binary, not text")
    if kind == "code":
        return Text("", repair(code_to_markdown(decoded, name)))
    if kind == "jsonl":
        return _from_jsonl(decoded)
    if kind == "json":  # parsed before it is repaired: a text in it may hold any line end
        return Text("", literal(repair(json_to_markdown(decoded))))
    return _READERS[kind](repair(decoded))


def _from_pdf(pages: list[str], data: bytes) -> Text:
    blank = [number for number, page in enumerate(pages) if not page.strip()]
    if blank and is_installed(OCR):
        for number, seen in zip(blank, ocr.read_scans(data, blank), strict=True):
            pages[number] = text_to_markdown(repair(_BULLET.sub("- ", seen)))
        blank = [number for number in blank if not pages[number].strip()]
    if len(blank) == len(pages):
        return Text("", "", reason=f"no text on its {len(pages)} pages; {_HOW_TO_SCAN}")
    markdown, removed = join_pages(pages)
    if blank:
        listed = ", ".join(str(number + 1) for number in blank)
        removed.append(Removed("page without text", f"{listed}; {_HOW_TO_SCAN}"))
    return Text("", plain_markdown(markdown), removed=tuple(removed))


def _from_mbox(data: bytes) -> Text:
    messages = re.split(rb"^From .*\r?\n", data, flags=re.M)[1:]
    if not messages:
        raise UnreadableError("not MBOX, whatever its name says")
    mails = [_mail(repair(to_pages(message, "eml")[0]), "##") for message in messages]
    return Text("", literal("\n\n".join(mails)))


def _mail(markdown: str, marks: str) -> str:
    """Make the subject a heading; keep who wrote to whom and when."""
    markdown = _ADDRESS.sub(r"(\1)", markdown)
    markdown = _MESSAGE_ID.sub("", plain_markdown(markdown))
    return _MAIL_HEAD.sub(lambda found: f"{marks} {found[1].strip() or 'Mail'}\n", markdown)


def _from_jsonl(decoded: str) -> Text:
    if are_chats(decoded):
        found = read_chats(decoded)
        wrong = tuple(Removed("unusable chat", safe_line(line)) for line in found.wrong)
        why = "" if found.chats else "none of its chats can be used"
        return Text("", "", tuple(found.chats), wrong, why)
    records = [json_to_markdown(line) for line in decoded.split("\n") if line.strip()]
    return Text("", literal(repair("\n\n".join(records))))


def safe_line(text: str) -> str:
    """Return one line of text that holds no control token."""
    return safe_text(" ".join(repair(text).split()))


def safe_text(text: str) -> str:
    """Return a text, as it is laid out, that holds no control token."""
    text = neutralise(repair(text))
    return without_brackets(text) if holds_control(text) else text


def title_line(title: str) -> str:
    """Return a title as one safe line of at most 200 characters."""
    return safe_line(title)[:200].strip()


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
    return rendered(found[1]) if found else ""


def safe(markdown: str) -> str:
    """Neutralise control tokens, those included that only rendering would bring to light."""
    text = visible(markdown)
    if " \n" in text or "\t\n" in text:
        text = re.sub(r"[ \t]+$", "", text, flags=re.M)
    text = neutralise(text)
    if _COULD_CHANGE.search(text) and any(map(holds_control, _rendered(text))):
        return without_brackets(text)
    return text


def _rendered(markdown: str) -> Iterator[str]:
    """Yield what a reader sees of each piece of text that rendering would change."""
    for token in BLOCKS.parse(markdown):
        if token.type == "inline" and _COULD_CHANGE.search(token.content):
            yield rendered(token.content)


def rendered(text: str) -> str:
    """Return what a reader sees of the text of one block."""
    return plain(MARKDOWN.parseInline(text)[0])


_READERS: dict[str, Callable[[str], Text]] = {
    "md": _from_markdown,
    "txt": _from_plain,
    "html": _from_html,
    "csv": lambda source: Text("", literal(csv_to_markdown(source))),
    "config": lambda source: Text("", fenced(source)),
}
_OF_BYTES = {*TYPES, "mbox", "pdf"}
