"""Seconds of a busy machine -> kWh, grams of CO2, cost. The table of countries is carbon.csv.

Without a counter the power is assumed, and called so. 7 W a busy core, between 3.5 W (a server's,
Cloud Carbon Footprint's coefficients of 2023 for AWS) and 12 W (a desktop's: 65 W over its cores,
and the power supply); memory 0.375 W a GB (Crucial's 3 W for 8 GB, as codecarbon assumed).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from localtune.errors import ConfigError

CORE_WATTS, LEAST_CORE_WATTS, MOST_CORE_WATTS = 7.0, 3.5, 12.0
MEMORY_WATTS = 0.375  # a GB
WORLD = ("the world's average", 480)  # g/kWh, Ember's Global Electricity Review 2024, for 2023
KWH = 3.6e6  # joules


@dataclass(frozen=True)
class Power:
    """Watts while a build runs, and how far off they may be; `known` where a person gave them."""

    watts: float
    least: float
    most: float
    known: bool


def power(cores: int, memory: int, watts: float = 0.0) -> Power:
    """Return what a machine is assumed to draw, with `memory` bytes; `watts` a person has read."""
    if watts:
        return Power(watts, watts, watts, True)
    rest = memory / 1e9 * MEMORY_WATTS
    each = (CORE_WATTS, LEAST_CORE_WATTS, MOST_CORE_WATTS)
    drawn, least, most = (round(cores * watts + rest, 1) for watts in each)
    return Power(drawn, least, most, False)


@cache
def countries() -> dict[str, tuple[str, int]]:
    """Return {"DEU": ("Germany", 381), …}: grams of CO2 equivalent a kWh."""
    lines = (Path(__file__).parent / "carbon.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["country"]: (row["name"], int(row["grams"])) for row in rows}


def carbon(country: str) -> tuple[str, int]:
    """Return a country's name and grams of CO2 a kWh, the world's for "". Raises ConfigError."""
    if not country:
        return WORLD
    wanted = country.strip().casefold()
    for code, (name, grams) in countries().items():
        if wanted in (code.casefold(), name.casefold()):
            return name, grams
    raise ConfigError(
        f"--country is {country!r}, which the table doesn't have.",
        "Give a name in English or three letters of ISO 3166, such as DEU; or leave it away.",
    )
