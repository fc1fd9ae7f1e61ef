"""What tuning cost of the base's general English, in words."""

from __future__ import annotations

from typing import Any


def general_view(general: dict[str, Any], level: str) -> dict[str, Any]:
    """Return what the report shows of scores.json's "general" for the shipped level."""
    rise = general["rise"][level]
    return {
        "tokens": f"{general['tokens']:,}",
        "base": f"{general['base']:.2f}",
        "tuned": f"{general['tuned'][level]:.2f}",
        "change": f"{rise:+.2f}",
        "told": told(general, level),
    }


def told(general: dict[str, Any], level: str) -> str:
    """Say in a sentence whether the base kept what it could."""
    rise = general["rise"][level]
    if rise <= general["most"]:
        return "It writes general English about as well as its base."
    if rise <= 0.5:
        return "It lost a little of its base's general English; a higher --replay keeps more."
    return "It lost much of its base's general English: expect it to speak of the documents only."
