"""The optional extras of the package, and whether they are installed. Imports none of them."""

from __future__ import annotations

from importlib.util import find_spec

FOUR_BIT, OCR = "4bit", "ocr"
MODULES = {FOUR_BIT: ("bitsandbytes",), OCR: ("rapidocr", "onnxruntime")}


def is_installed(extra: str) -> bool:
    """Whether all modules of an extra are there."""
    return all(find_spec(name) for name in MODULES[extra])
