"""What a model's card and generation_config.json say about it, as a GGUF can hold it.

gguf's Metadata reads them and takes whatever stands there; a GGUF has one type per key. Source:
gguf-py/gguf/metadata.py of llama.cpp, as vendored in the sdist of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import gguf.metadata
from gguf import Metadata
from gguf.utility import size_label

from localtune.export.read.config_json import read_json
from localtune.progress import Progress

logging.getLogger("gguf.metadata").setLevel(logging.ERROR)
logging.getLogger("metadata").setLevel(logging.CRITICAL)
UNREADABLE = (ValueError, gguf.metadata.yaml.YAMLError)  # type: ignore[attr-defined]


def read_card(
    base: Path, name: str, parameters: tuple[int, int, int, int], progress: Progress
) -> Metadata:
    """Return a base's metadata under a name, without what can't be written.

    `parameters` is GGUFWriter.get_total_parameter_count(). A card that can't be read is warned of.
    """
    try:
        said = Metadata.load(None, base, name, parameters[0])
    except UNREADABLE as error:
        where = str(error).splitlines()[0]
        progress.warn(f"{base / 'README.md'} can't be read ({where}): licence and tags are lost.")
        said = Metadata()
        _add_sampling(said, base / "generation_config.json")
    said.name = name
    said.size_label = said.size_label or size_label(*parameters)
    file = base / "generation_config.json"
    penalty = read_json(file).get("repetition_penalty") if file.is_file() else None
    if said.sampling_penalty_repeat is None:
        said.sampling_penalty_repeat = penalty
    for field in fields(said):
        value = getattr(said, field.name)
        if value is not None:
            setattr(said, field.name, AS[str(field.type)](value))
    return said


def _add_sampling(said: Metadata, file: Path) -> None:
    found = read_json(file) if file.is_file() else {}
    for field in fields(said):
        kind, _, name = field.name.partition("_")
        if kind == "sampling":
            setattr(said, field.name, found.get("temperature" if name == "temp" else name))


def _whole(value: Any) -> int | None:
    number = _real(value)
    return int(number) if number is not None and number.is_integer() else None


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return ",".join(map(_word, value))
    return None if isinstance(value, dict) else _word(value)


def _word(value: Any) -> str:
    return "no" if value is False else str(value)  # Norway's language, as YAML reads it


def _texts(value: Any) -> list[str] | None:
    words = value if isinstance(value, list) else [value]
    return [_word(word) for word in words if word is not None] or None


def _objects(value: Any) -> list[dict[str, str]]:
    found = [entry for entry in value if isinstance(entry, dict)]
    return [{str(key): _word(said) for key, said in entry.items()} for entry in found]


AS: Mapping[str, Callable[[Any], Any]] = {  # the types as Metadata's fields name them
    "Optional[int]": _whole,
    "Optional[float]": _real,
    "Optional[str]": _text,
    "Optional[list[str]]": _texts,
    "Optional[list[dict]]": _objects,
}
