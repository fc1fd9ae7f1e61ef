"""The bases that are compared: localtune/bases/catalogue.toml -> entries. Fetches nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "bases" / "catalogue.toml"


@dataclass(frozen=True)
class Entry:
    """One base: `parameters` as published, `config` the keys of its config.json that say its shape.

    A `gated` one wants its licence accepted on the Hub; one with a `note` isn't recommended.
    """

    id: str
    parameters: int
    licence: str
    languages: str
    config: dict[str, Any] = field(hash=False)
    gated: bool = False
    note: str = ""


@cache
def entries() -> tuple[Entry, ...]:
    """Return all entries, smallest first."""
    with FILE.open("rb") as file:
        listed = tomllib.load(file)["base"]
    return tuple(sorted((Entry(**row) for row in listed), key=lambda entry: entry.parameters))


def find(name: str) -> Entry | None:
    """Return the entry of a base, None where the catalogue doesn't know it."""
    return next((entry for entry in entries() if entry.id.lower() == name.lower()), None)
