"""Seconds -> kWh, CO2 and cost of a build that hasn't run; and of the same work at a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localtune.estimate.electricity import KWH, Power, carbon
from localtune.estimate.measured import Estimate

if TYPE_CHECKING:
    from localtune.estimate.measured import Costs


def energy(total: Estimate, drawn: Power, country: str, price: float) -> dict[str, Any]:
    """Return kWh with the least and the most, grams of CO2, and cost where a price is given.

    The ends take the errors of the power and of the time together.
    """
    name, grams = carbon(country)
    shortest, longest = max(0.0, 1 - total.band), 1 + total.band
    kwh = drawn.watts * total.seconds / KWH
    return {
        "watts": drawn.watts,
        "watts_known": drawn.known,
        "kwh": round(kwh, 4),
        "kwh_between": [
            round(drawn.least * shortest * total.seconds / KWH, 4),
            round(drawn.most * longest * total.seconds / KWH, 4),
        ],
        "grams_co2": round(kwh * grams, 1),
        "country": name,
        "grams_a_kwh": grams,
        "cost": round(kwh * price, 4) if price else None,
    }


def hosted(found: Costs, price: float) -> dict[str, Any]:
    """Return the tokens that training sees, and what they cost at a price a million."""
    a_row = found.lessons.tokens / max(1, found.lessons.rows)
    tokens = round(found.recipe.steps * found.recipe.rows * a_row)
    return {"tokens": tokens, "cost": round(tokens / 1e6 * price, 2)}
