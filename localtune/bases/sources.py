"""Where a base comes from: a folder, the Hub, a GGUF file, or a model that Ollama has."""

from __future__ import annotations

from pathlib import Path

from localtune.config.stages import BaseConfig
from localtune.errors import BaseModelError


def origin(config: BaseConfig) -> Path | None:
    """Return the folder or file on this machine that a base is made from, None where it isn't."""
    try:
        return gguf_of(config) or config.folder()
    except BaseModelError:  # gone from Ollama; whoever needs it will say so
        return None


def gguf_of(config: BaseConfig) -> Path | None:
    """Return the GGUF that a base is, None for another kind. Raises BaseModelError."""
    from localtune.ollama.store import find

    name = config.in_ollama()
    return find(name).gguf if name else config.file()


def system_of(config: BaseConfig) -> str:
    """Return the system prompt that a base has in Ollama, "" without one. Raises BaseModelError."""
    from localtune.ollama.store import find

    name = config.in_ollama()
    return find(name).system if name else ""
