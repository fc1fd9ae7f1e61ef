"""Scanned pages -> text, where the optional extra `ocr` is installed. Models come in its wheel."""

from __future__ import annotations

from functools import cache
from typing import Any

SECONDS_A_PAGE = 60  # at most: some 14 were seen on one core
_DPI = 200
_LARGEST = 4000  # pixels of a page's longer side: a page of 5 metres would take all memory


def read_scans(data: bytes, pages: list[int]) -> list[str]:
    """Return the text of the given pages (from 0) of a PDF, a line for each line seen."""
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    try:
        return [_lines(_image(document[number])) for number in pages]
    finally:
        document.close()


def _image(page: Any) -> Any:
    scale = min(_DPI / 72, _LARGEST / max(page.get_size()))
    return page.render(scale=scale).to_numpy()


def _lines(image: Any) -> str:
    found = _engine()(image)
    return "\n".join(found.txts or ()) if found else ""


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical"})
