"""Which format bytes are in, whatever their file's name says."""

from __future__ import annotations

import io
import re
import zipfile

from localtune.errors import UnreadableError

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IN_ZIP = {
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "xl/workbook.xml": "xlsx",
}
_BINARY = frozenset("pdf docx pptx xlsx xls epub odt zip msg".split())


def actual_format(data: bytes, kind: str) -> str:
    """Return the format of a file whose ending stands for `kind`.

    Raises UnreadableError where the bytes are in no format that is read.
    """
    if data.startswith(b"PK\x03\x04"):
        return _in_zip(data, kind)
    if data.startswith(_OLD_OFFICE):
        return _old_office(data)
    # A PDF may begin with something else; a text may say how one begins.
    if data.startswith(b"%PDF-") or (kind == "pdf" and b"%PDF-" in data[:1024]):
        return "pdf"
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if kind not in _BINARY:
        return kind
    if re.search(rb"<(?:!doctype html|html|table)\b", data[:4096], re.I):
        return "html"  # what many programs export under the name .xls
    raise UnreadableError(f"not {kind.upper()}, whatever its name says")


def _in_zip(data: bytes, kind: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise UnreadableError("damaged or cut short") from error
    inside = next((format for name, format in _IN_ZIP.items() if name in names), "")
    if "META-INF/container.xml" in names:
        inside = "epub"
    if "[Content_Types].xml" in names and kind in _IN_ZIP.values():
        inside = inside or kind  # some programs give the main part another name
    return inside or (kind if kind in ("epub", "odt") else "zip")


def _old_office(data: bytes) -> str:
    """Tell apart what Microsoft's container files hold by the names of their streams."""
    for name, kind in (("__substg1.0", "msg"), ("Workbook", "xls"), ("Book", "xls")):
        if name.encode("utf-16-le") in data:
            return kind
    raise UnreadableError("an old Office file; save it in a new format, such as DOCX or PPTX")
