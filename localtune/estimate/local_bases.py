"""The bases on this machine: in the Hub's cache, in Ollama's store, in installed packages."""

from __future__ import annotations

import importlib.metadata
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.bases.catalogue import CatalogueEntry, entries
from localtune.config.stages import GGUF, OLLAMA, TINY, BaseConfig
from localtune.errors import BaseModelError

SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "intermediate_size")
PRETRAINED = {"base", "text"}  # in a tag of Ollama's: not tuned to instructions


@dataclass(frozen=True)
class LocalBase:
    """A base on this machine: what --base and --revision name it by, where it is, its bytes."""

    entry: CatalogueEntry
    base: str
    revision: str
    place: str
    bytes: int


def local_bases() -> dict[str, LocalBase]:
    """Return the bases by their entry's id; of several copies the largest, as it is the finest.

    Those in the Hub's cache and in Ollama are taken if the catalogue knows them; of a package, also
    others that can be unpacked. No package is imported, and nothing is fetched.
    """
    found: dict[str, LocalBase] = {}
    for one in (*_in_hub_cache(), *_in_ollama(), *_in_packages()):
        known = found.get(one.entry.id)
        if known is None or one.bytes > known.bytes:
            found[one.entry.id] = one
    return found


def _in_hub_cache() -> Iterator[LocalBase]:
    from localtune.bases.fetch import cached, cached_ggufs

    place = "the Hub's cache"
    for entry in entries():
        folder = cached(BaseConfig(entry.id)) if entry.id != TINY else None
        if folder:
            size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
            yield LocalBase(entry, entry.id, folder.name, place, size)
    for repository, file in cached_ggufs():
        if known := _known(file, repository, file.name):
            yield _file(known, file, place)


def _in_ollama() -> Iterator[LocalBase]:
    from localtune.ollama.store import all_names, find

    library = {entry.ollama for entry in entries()}
    for name in all_names():
        model, _, tag = name.partition(":")
        if model not in library or PRETRAINED & set(tag.split("-")):
            continue
        try:
            gguf = find(name).gguf
        except BaseModelError:
            continue
        config = _config_of(gguf)
        for entry in entries():
            if entry.ollama == model and _alike(entry, config):
                size = gguf.stat().st_size
                yield LocalBase(entry, f"{OLLAMA}{name}", "", "Ollama", size)


def _in_packages() -> Iterator[LocalBase]:
    for package in importlib.metadata.distributions():
        if GGUF not in (package.read_text("RECORD") or ""):
            continue
        name = package.metadata["Name"]
        for path in package.files or ():
            file = Path(str(package.locate_file(path)))
            if path.suffix == GGUF and file.is_file():
                entry = _known(file, name, file.name) or _unknown(file)
                if entry:
                    yield _file(entry, file, f"the package {name}")


def _file(entry: CatalogueEntry, file: Path, place: str) -> LocalBase:
    return LocalBase(entry, str(file.absolute()), "", place, file.stat().st_size)


def _config_of(gguf: Path) -> dict[str, Any]:
    """Return what config.json of a GGUF would hold, {} for one that can't be tuned."""
    try:
        return config_of(gguf)
    except BaseModelError:
        return {}


def _alike(entry: CatalogueEntry, config: dict[str, Any]) -> bool:
    return all(config.get(key) == entry.config[key] for key in SHAPE)


def _known(gguf: Path, *names: str) -> CatalogueEntry | None:
    """Return the entry whose name is a part of one of the names, and whose shape a GGUF has."""
    plain = [_plain(name) for name in names]
    named = [
        entry
        for entry in entries()
        if entry.id != TINY and any(_plain(entry.name) in name for name in plain)
    ]
    config = _config_of(gguf) if named else {}
    return next((entry for entry in named if _alike(entry, config)), None)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _unknown(gguf: Path) -> CatalogueEntry | None:
    """Return an entry from the header of a GGUF that the catalogue doesn't know."""
    from localtune.export.unpack.gguf_source import GgufSource

    config = _config_of(gguf)
    if not config:
        return None
    source = GgufSource(gguf)
    languages = source.get("general.languages")
    speaks = tuple(map(str, languages)) if isinstance(languages, list) else ()
    return CatalogueEntry(
        id=gguf.stem,
        parameters=sum(math.prod(stored.shape) for stored in source.tensors.values()),
        licence=str(source.get("general.license", "not known")),
        languages=", ".join(speaks) or "not known",
        config=config,
        speaks=speaks,
    )


def config_of(gguf: Path) -> dict[str, Any]:
    """Return what the config.json of a GGUF would hold. Raises BaseModelError."""
    from localtune.export.unpack.folder import read
    from localtune.export.unpack.gguf_source import GgufSource

    return dict(read(GgufSource(gguf))[1])
