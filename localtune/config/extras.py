"""Which libraries and extras of the package are installed. Imports none of them."""

from __future__ import annotations

import importlib.metadata
from importlib.util import find_spec

FOUR_BIT, OCR = "4bit", "ocr"
MODULES = {FOUR_BIT: ("bitsandbytes",), OCR: ("rapidocr", "onnxruntime")}

# The libraries whose version can change what is read of a file.
READERS = (
    "trafilatura", "markdown-it-py", "ftfy", "xberg", "pypdfium2", "pygments", "py3langid", "rensa",
    "phonenumbers", "rapidocr",
)  # fmt: skip


def is_installed(extra: str) -> bool:
    """Whether all modules of an extra are there."""
    return all(find_spec(name) for name in MODULES[extra])


def library_version(name: str) -> str:
    """Return an installed library's version, "none" where it isn't installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"
