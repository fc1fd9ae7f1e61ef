"""Office, e-book, mail and notebook files -> Markdown, by xberg: the only importer of it.

It is given bytes and a type, reads nothing else, keeps no cache and recognises no images.
"""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import Any

from localtune.errors import UnreadableError

_OPEN_XML = "application/vnd.openxmlformats-officedocument."
TYPES = {
    "docx": f"{_OPEN_XML}wordprocessingml.document",
    "pptx": f"{_OPEN_XML}presentationml.presentation",
    "xlsx": f"{_OPEN_XML}spreadsheetml.sheet",
    "xls": "application/vnd.ms-excel",
    "odt": "application/vnd.oasis.opendocument.text",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "ipynb": "application/x-ipynb+json",
    "eml": "message/rfc822",
    "msg": "application/vnd.ms-outlook",
    "rst": "text/x-rst",
}
# What xberg 1.3 says, and what a person should read instead.
_REASONS = (
    (r"password|encrypt", "encrypted; save it without a password"),
    (r"invalid zip", "damaged or cut short"),  # called a security limit too
    (r"security limit|exceeds limit|zip bomb", "unpacks to far more than its size (a zip bomb?)"),
    (r"EOCD|EOF|truncated|invalid|parsing", "damaged or cut short"),
)
_ADMONITION = re.compile(r"^> \*\*([\w-]+):: (.{0,2000})\*\*\n> ?\n> \1:: \2$", re.M)
_ESCAPE = re.compile(r"(?<=[\w ])\\([!#.,&@()+-])")
_EMPTY_ROW = re.compile(r"^\|(?: *\|)+\n?", re.M)
_ROLE = re.compile(r":[\w:+.-]{1,40}:`([^`<\n]{1,400}?)(?:\s*<[^`\n]{0,400}>)?`")


def to_pages(data: bytes, kind: str) -> list[str]:
    """Return the Markdown of each slide; one text where the format has none.

    A slide's notes follow it. Raises UnreadableError with a reason for people.
    """
    document = _extract(data, TYPES[kind])
    in_pages = kind == "pptx" and document.pages
    pages = [_with_notes(page) for page in document.pages] if in_pages else [document.content]
    return [_mended(page) for page in pages]


def _mended(markdown: str) -> str:
    """Mend what xberg 1.3 gives: needless escapes, empty rows, directives and roles of rst."""
    markdown = _EMPTY_ROW.sub("", _ESCAPE.sub(r"\1", markdown))
    markdown = _ADMONITION.sub(lambda m: f"> {m[1].capitalize()}: {m[2]}", markdown)
    return _ROLE.sub(r"\1", markdown)


def _extract(data: bytes, mime: str) -> Any:
    from xberg import ExtractInput, extract

    given = ExtractInput(kind="bytes", bytes=data, mime_type=mime)
    try:
        return asyncio.run(extract(given, _config())).results[0]
    except RuntimeError as error:  # what xberg raises for every file it can't read
        said = str(error)
        for pattern, reason in _REASONS:
            if re.search(pattern, said, re.I):
                raise UnreadableError(reason) from error
        raise UnreadableError(" ".join(said.split())[:200]) from error


@cache
def _config() -> Any:
    from xberg import ConcurrencyConfig, ExtractionConfig, PageConfig

    return ExtractionConfig(
        disable_ocr=True,
        use_cache=False,
        mime_detection_policy="trust_extension",
        output_format="markdown",
        escape_markdown=False,
        pages=PageConfig(extract_pages=True),
        concurrency=ConcurrencyConfig(max_threads=1),  # files are read in parallel, not pages
    )


def _with_notes(page: Any) -> str:
    notes = (page.speaker_notes or "").strip()
    return f"{page.content}\n\nNotes: {notes}" if notes else str(page.content)
