"""The words around a candidate, by which a number is told from a number that looks like it."""

from __future__ import annotations

import re
from collections.abc import Iterator

NOT_PRIVATE = re.compile(
    r"(?:order|invoice|tracking|parcel|shipment|ticket|case|serial|part|model|sku|item|product|"
    r"article|batch|lot|ref|reference|isbn|issn|ean|upc|doi|asin|build|commit|revision|rev|"
    r"receipt|f?ein|tin|vat|tax|transaction|confirmation|booking|po|contract|docket|patent|"
    r"grant|award|"
    r"bestellung|rechnung|artikel|commande|facture|pedido|factura|ordine|fattura)"
    r"(?:'s|nummer|nr)?\W{0,3}(?:number|numbers|no|nr|num|code|id|key|is|was|für|de)?"
    r"\W{0,4}(?:is|was)?\W{0,3}(?:[A-Z]{1,4}-?)?$",
    re.IGNORECASE,
)


def spots(lower: str, needles: tuple[str, ...]) -> Iterator[int]:
    """Yield where words stand in a text in lower case: far faster than a pattern of them."""
    for needle in needles:
        at = lower.find(needle)
        while at >= 0:
            yield at
            at = lower.find(needle, at + len(needle))


def before(text: str, start: int, length: int = 40) -> str:
    """Return what stands before a place, at most `length` characters of it."""
    return text[max(0, start - length) : start]


def after(text: str, end: int, length: int = 30) -> str:
    """Return what stands after a place, at most `length` characters of it."""
    return text[end : end + length]


def is_named_otherwise(text: str, start: int) -> bool:
    """Whether the words before say that a number is an order, a part, a book, ..."""
    return NOT_PRIVATE.search(before(text, start)) is not None
