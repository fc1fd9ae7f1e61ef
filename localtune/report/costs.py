"""What a build took, beside what was planned: scores.json -> the rows of the report's tables."""

from __future__ import annotations

from typing import Any

from localtune.formatting import duration, size

Row = dict[str, Any]


def costs(scores: Row) -> Row:
    """Return the variables of the report's section on time, memory, energy and disk.

    Builds of before have seconds only; what isn't known is an empty text.
    """
    planned = scores.get("planned") or {}
    expected = {row["stage"]: row for row in planned.get("stages", [])}
    used = scores.get("used", {})
    longest = max(scores["seconds"].values(), default=0) or 1
    return {
        "planned": bool(expected),
        "stages": [
            _stage(name, took, took / longest, used.get(name, {}), expected.get(name, {}))
            for name, took in scores["seconds"].items()
        ],
        "energy_told": energy_told(used),
        "disk": _disk(scores, planned.get("disk", {})),
    }


def _stage(name: str, took: float, share: float, used: Row, expected: Row) -> Row:
    band = f" ± {expected['band']:.0%}" if expected else ""
    return {
        "name": name,
        "time": duration(took),
        "width": f"{100 * share:.1f}",
        "planned_time": duration(expected["seconds"]) + band if expected else "",
        "memory": size(used["memory"]) if used.get("memory") else "",
        "planned_memory": size(expected["memory"]) if expected.get("memory") else "",
        "energy": energy(used["joules"]) if "joules" in used else "",
    }


def energy(joules: float) -> str:
    """Write joules as 3 J, 1.2 Wh, 0.45 kWh."""
    if joules < 360:
        return f"{joules:.0f} J"
    hours = joules / 3600
    return f"{hours:.1f} Wh" if hours < 100 else f"{hours / 1000:.2f} kWh"


def energy_told(used: dict[str, Row]) -> str:
    """Say what all stages used, and whether that was measured."""
    if not used:
        return "Energy was not measured."
    total = energy(sum(row["joules"] for row in used.values()))
    if all(row["measured"] for row in used.values() if row["joules"] > 1):
        return f"Energy: {total}, measured by the counters of processor and graphics card."
    return (
        f"Energy was not measured, as this machine has no counter that can be read. {total} is an "
        "estimate: the processor's seconds at 7 W a busy core."
    )


def _disk(scores: Row, planned: Row) -> list[Row]:
    found = {**scores.get("disk", {}), **(scores["bytes"] if planned else {})}
    return [
        {"what": what, "size": size(n), "planned": size(planned[what]) if what in planned else ""}
        for what, n in found.items()
    ]
