"""The base in a build's folder: fetched, or unpacked from a GGUF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localtune.bases.sources import gguf_of
from localtune.config.stages import BaseConfig
from localtune.errors import BaseModelError
from localtune.progress import Progress
from localtune.workspace import write_text

Split = Callable[[str], list[int]]
PROBE = (
    "Don't leave the slipway before 16:45 on 2026-11-21: 1,250 euros.\n\n\t  Größe, 東京 🚀 x=y;"
)


def check_gguf(config: BaseConfig) -> None:
    """Raise BaseModelError for a GGUF base that can't be tuned, before anything is written."""
    if gguf := gguf_of(config):
        from localtune.export.unpack.folder import read
        from localtune.export.unpack.gguf_source import GgufSource

        with _by_name(gguf, config.in_ollama()):
            read(GgufSource(gguf))


@contextmanager
def _by_name(gguf: Path, name: str) -> Iterator[None]:
    """Call a file of Ollama's store, whose own name is a sum, by the model's name in errors."""
    try:
        yield
    except BaseModelError as error:
        if not name:
            raise
        message = error.message.replace(str(gguf), name).replace(gguf.name, name)
        raise BaseModelError(message, error.hint) from error


def fetch(config: BaseConfig, folder: Path, progress: Progress) -> None:
    """Fill a folder with the base in transformers' format. Raises BaseModelError, DiskFullError."""
    from localtune.bases.fetch import describe, fetch_base

    if config.in_ollama():
        _from_ollama(config.in_ollama(), folder, progress)
    elif file := config.file():
        _from_gguf(file, folder, progress)
    else:
        fetch_base(config, folder, progress=progress)
    progress.note(f"base {config.base}: {describe(folder)}")


def _from_ollama(name: str, folder: Path, progress: Progress) -> None:
    from localtune.ollama.store import find

    model = find(name)
    if model.sees:
        progress.warn(f"{name} also sees pictures; what it sees with is left away.")
    with _by_name(model.gguf, name):
        _from_gguf(model.gguf, folder, progress)
    if model.licence:
        write_text(folder / "LICENSE", model.licence)


def _from_gguf(gguf: Path, folder: Path, progress: Progress) -> None:
    from localtune.export.unpack.folder import unpack

    unpack(gguf, folder, progress)
    if not splits_alike(folder):
        progress.warn(
            "transformers splits text otherwise than this GGUF does; lessons are split as it does, "
            "so load the adapter with llama.cpp or Ollama only."
        )


def splits_alike(folder: Path) -> bool:
    """Whether the tokenizer written for transformers gives the ids that llama.cpp gives."""
    from tokenizers import Tokenizer

    split = splitter(folder)
    written = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return split is not None and split(PROBE) == written.encode(PROBE).ids


def splitter(folder: Path) -> Split | None:
    """Return how the GGUF that a base is splits text, None for a base of another kind."""
    from localtune.export.unpack.gguf_source import SOURCE
    from localtune.llama.llama import Splitter

    file = folder / SOURCE
    return Splitter(file).token_ids if file.exists() else None
