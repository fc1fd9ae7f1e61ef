"""The bases that are compared: localtune/bases/catalogue.toml -> entries. Fetches nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "bases" / "catalogue.toml"


@dataclass(frozen=True)
class CatalogueEntry:
    """One base: `parameters` as published, `config` the keys of its config.json that say its shape.

    A `gated` one wants its licence accepted on the Hub; one with a `note` isn't recommended. A
    licence that `binds` also holds for what is tuned. `speaks` are ISO 639-1 codes, "*" for all;
    `context` is in tokens; `ollama` is the name in Ollama's library; `recall` is "" where it hasn't
    been measured.
    """

    id: str
    parameters: int
    licence: str
    languages: str
    config: dict[str, Any] = field(hash=False)
    speaks: tuple[str, ...] = ()
    context: int = 0
    template: str = ""
    gated: bool = False
    binds: bool = False
    ollama: str = ""
    recall: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """Return the id without its owner."""
        return self.id.rpartition("/")[2]

    def knows(self, languages: Iterable[str]) -> bool:
        """Whether the base is known to speak all of these languages (ISO 639-1 codes)."""
        return "*" in self.speaks or set(languages) <= set(self.speaks)


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Return all entries, smallest first."""
    with FILE.open("rb") as file:
        found = tomllib.load(file)
    rows = ({**row, "speaks": tuple(found["speaks"][row["speaks"]])} for row in found["base"])
    return tuple(
        sorted((CatalogueEntry(**row) for row in rows), key=lambda entry: entry.parameters)
    )


def find(name: str) -> CatalogueEntry | None:
    """Return the entry of a base, None where the catalogue doesn't know it."""
    return next((entry for entry in entries() if entry.id.lower() == name.lower()), None)
