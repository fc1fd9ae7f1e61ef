"""Turn a folder of your own documents into a small model in your Ollama list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "build"]

if TYPE_CHECKING:
    from pathlib import Path

    from localtune.pipeline import Result


def build(docs: str | Path, out: str | Path | None = None, **options: Any) -> Result:
    """Build a model from a folder of documents, as `localtune build` does.

    `options` are the command's options with underscores (base="tiny", quantize="Q4_K_M"), and
    `config` (a localtune.toml), `name` and `progress`. Raises LocaltuneError.
    """
    from localtune.pipeline import build_documents

    return build_documents(docs, out, **options)
