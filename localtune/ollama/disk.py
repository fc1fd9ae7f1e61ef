"""Where a server on this machine keeps its models, as far as that can be known.

Source: manifest/paths.go and envconfig/config.go of Ollama 0.33, and its Linux installer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from localtune.ollama.name import split_name

SERVICE = Path("/usr/share/ollama/.ollama/models")  # of the service that the installer makes


def store_of(models: Sequence[str]) -> Path | None:
    """Return the folder that holds these models, the server's; None where it can't be known.

    A folder on this machine needn't be the server's, which may run in a container.
    """
    return next((folder for folder in _folders() if _holds(folder, models)), None)


def _folders() -> Iterator[Path]:
    named = os.environ.get("OLLAMA_MODELS", "").strip().strip("\"'")
    if named:
        yield Path(named)
        return
    yield Path.home() / ".ollama" / "models"
    yield SERVICE


def _holds(folder: Path, models: Sequence[str]) -> bool:
    try:
        return (folder / "blobs").is_dir() and all(
            (folder / "manifests" / _manifest(model)).is_file() for model in models
        )
    except OSError:  # the service's folder may be closed to others
        return False


def _manifest(model: str) -> Path:
    name = split_name(model)
    return Path(name.host, name.namespace, name.model, name.tag)
