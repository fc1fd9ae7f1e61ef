"""PDF -> lines of placed words, page by page, with pdfium. layout.py makes Markdown of them."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localtune.errors import UnreadableError

_BOLD_NAME = re.compile(r"bold|black|heavy|demi", re.I)
_FORCE_BOLD = 1 << 18  # of the font flags, PDF 32000-1:2008, table 123
_BOLD = 600  # font weight
_HYPHEN = "\x02"  # what pdfium makes of a hyphen at the end of a line
_REASONS = {3: "damaged or cut short", 4: "encrypted; save it without a password"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its box, in points from the page's lower left corner; as high as its font."""

    text: str
    left: float
    right: float
    bottom: float
    size: float


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one baseline; bold where the first and the last letter are."""

    words: tuple[Word, ...]
    bold: bool


def read_pages(data: bytes) -> list[list[Line]]:
    """Return the lines of each page in the order of the document's content.

    A page that is a picture has none. Raises UnreadableError.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        raise UnreadableError(_REASONS.get(code or 0, "damaged or cut short")) from error
    try:
        pages = [_page(document, number) for number in range(len(document))]
    finally:
        document.close()
    if all(page is None for page in pages):
        raise UnreadableError("damaged or cut short")
    return [page or [] for page in pages]


def _page(document: Any, number: int) -> list[Line] | None:
    """Read one page; None is a damaged one, the others are still read."""
    import pypdfium2

    try:
        page = document[number]
        letters = page.get_textpage()
    except pypdfium2.PdfiumError:
        return None
    try:
        return list(_lines(letters))
    finally:
        letters.close()
        page.close()


def _lines(letters: Any) -> Iterator[Line]:
    page, text = letters.raw, _text(letters)
    line: list[tuple[Word, int]] = []
    for found in re.finditer(rf"[^\s\x00{_HYPHEN}]+{_HYPHEN}?|[\r\n]+", text):
        word = _word(page, found) if found[0].strip() else None
        # pdfium may write several lines as one; what stands on another baseline is another line.
        if line and (word is None or abs(word.bottom - line[-1][0].bottom) > 0.4 * word.size):
            yield _line(page, line)
            line = []
        if word is not None:
            line.append((word, found.end() - 1))
    if line:
        yield _line(page, line)


def _word(page: Any, found: re.Match[str]) -> Word:
    from pypdfium2 import raw

    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    raw.FPDFText_GetCharBox(page, found.end() - 1, left, right, bottom, top)
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(page, found.start(), box)
    return Word(_clean(found[0]), box.left, right.value, box.bottom, box.top - box.bottom)


def _line(page: Any, words: list[tuple[Word, int]]) -> Line:
    first = words[0][1] - len(words[0][0].text) + 1
    bold = all(_is_bold(page, index) for index in (max(first, 0), words[-1][1]))
    return Line(tuple(word for word, _ in words), bold)


def _text(letters: Any) -> str:
    """Return a page's text with one character for each that pdfium numbers."""
    from pypdfium2 import raw

    number = letters.count_chars()
    codes = (raw.FPDFText_GetUnicode(letters.raw, i) for i in range(number))
    # pdfium gives a character beyond U+FFFF as two surrogates, one after another.
    return "".join(map(chr, codes))


def _clean(word: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in word):
        word = word.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return word.replace(_HYPHEN, "-").replace("\ufffe", "-")


def _is_bold(page: Any, index: int) -> bool:
    from pypdfium2 import raw

    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    raw.FPDFText_GetFontInfo(page, index, name, 128, flags)
    said = _BOLD_NAME.search(name.value.decode("utf-8", "replace"))
    heavy = raw.FPDFText_GetFontWeight(page, index) >= _BOLD
    return bool(said or heavy or flags.value & _FORCE_BOLD)
