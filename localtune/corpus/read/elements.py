"""HTML -> Markdown where trafilatura isn't made for it: tables in Markdown, tiny pages."""

from __future__ import annotations

import re
from typing import Any

from localtune.errors import UnreadableError

_DROPPED = {"script", "style", "noscript", "template", "svg", "head", "nav", "footer", "iframe"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "figcaption",
    "figure", "form", "header", "main", "ol", "p", "pre", "section", "summary", "ul", "body",
}  # fmt: skip


def table_to_markdown(source: str) -> str:
    """Return the first table of an HTML fragment as a pipe table, "" where it holds no cell."""
    root = parse(source)
    table = None if root is None else next(root.iter("table"), None)
    return "" if table is None else _table(table)


def page_to_markdown(source: str) -> str:
    """Return everything a page says, navigation and footer aside, as Markdown."""
    root = parse(source)
    if root is None:
        return ""
    parts: list[str] = []
    _walk(root, parts)
    text = "".join(parts)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]*\n[ \t]*", "\n", text)).strip()


def title_of(source: str) -> str:
    """Return a page's <title>, "" where it has none."""
    root = parse(source)
    found = None if root is None else root.find(".//title")
    return "" if found is None else _inline(found)


def parse(source: str) -> Any | None:
    """Parse a page or a fragment; None where nothing is there to parse.

    Raises UnreadableError where it is nested so deeply that the parser leaves out what it says.
    """
    from lxml import etree, html  # type: ignore[import-untyped]

    # lxml takes no declared encoding in text that is decoded already.
    source = re.sub(r"^\s*<\?xml[^>]*>", "", source)
    parser = html.HTMLParser(huge_tree=True)  # 2,048 levels, not 256
    try:
        root = html.document_fromstring(source, parser)
    except (etree.LxmlError, ValueError, AssertionError):
        root = None
    if any("Excessive depth" in entry.message for entry in parser.error_log):
        raise UnreadableError("nested too deeply")
    return root


def _inline(node: Any) -> str:
    return " ".join("".join(node.itertext()).split())


def _table(table: Any) -> str:
    rows = [_cells(row) for row in table.iter("tr")]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if not rows or width == 0:
        return ""
    padded = [row + [""] * (width - len(row)) for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in padded]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cells(row: Any) -> list[str]:
    cells = [node for node in row if node.tag in ("td", "th")]
    return [_text_of(cell).replace("|", "/") for cell in cells]


def _text_of(cell: Any) -> str:
    for line_break in cell.iter("br"):
        line_break.tail = " " + (line_break.tail or "")
    return _inline(cell)


def _walk(node: Any, parts: list[str]) -> None:
    """Add an element's Markdown to `parts`; comments and processing instructions have no name."""
    name = node.tag if isinstance(node.tag, str) else ""
    if not name or name in _DROPPED:
        return
    if name == "table":
        parts.append(f"\n\n{_table(node)}\n\n")
    elif re.fullmatch(r"h[1-6]", name):
        parts.append(f"\n\n{'#' * int(name[1])} {_inline(node)}\n\n")
    else:
        _walk_inside(node, name, parts)


def _walk_inside(node: Any, name: str, parts: list[str]) -> None:
    around = {"li": "\n", "br": " "}.get(name, "\n\n" if name in _BLOCKS else "")
    parts.append(around + ("- " if name == "li" else ""))
    parts.append(_flowing(node.text))
    for child in node:
        _walk(child, parts)
        parts.append(_flowing(child.tail))
    parts.append(around)


def _flowing(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
