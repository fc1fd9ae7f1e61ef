"""A ladder of levels, work/ladder.json, as rows of figures and as a chart."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from localtune.formatting import interval, size
from localtune.report.charts import RecallBar, recall_bars

Row = dict[str, Any]
COLUMNS = ("Level", "Size", "KL (nats)", "Same token", "Recall", "95 % interval", "Tokens/s")


def ladder_rows(ladder: Row) -> list[list[str]]:
    """Return the master's row and one a level, from large to small, in the order of COLUMNS."""
    return [_row(rung) for rung in _all(ladder)]


def _all(ladder: Row) -> list[Row]:
    return [ladder["master"], *ladder["levels"]]


def _row(rung: Row) -> list[str]:
    if "recall" not in rung:
        return [rung["level"], "–", "–", "–", "not measured", "–", "–"]
    strayed = [f"{rung['kl']:.4f}", f"{100 * rung['top1']:.1f} %"] if "kl" in rung else ["–", "–"]
    return [
        rung["level"],
        size(rung["bytes"]),
        *strayed,
        f"{100 * rung['recall']:.1f} %",
        interval(rung["interval"]),
        f"{rung['tokens_per_second']:,.0f}",
    ]


def ladder_chart(ladder: Row) -> Markup:
    """Draw recall a level with size and divergence; the recommended one stands out."""
    bars = [
        RecallBar(
            label=rung["level"],
            share=rung["recall"],
            bounds=(rung["interval"][0], rung["interval"][1]),
            tuned=rung["level"] == ladder["recommended"],
            note=size(rung["bytes"]) + (f", KL {rung['kl']:.2g}" if "kl" in rung else ""),
        )
        for rung in _all(ladder)
        if "recall" in rung
    ]
    return recall_bars(bars, "Exam recall of each level")


def ladder_view(ladder: Row | None) -> Row | None:
    """Return what the report shows of a ladder, nothing where none was made."""
    if ladder is None:
        return None
    return {
        "columns": COLUMNS,
        "rows": ladder_rows(ladder),
        "chart": ladder_chart(ladder),
        "recommended": ladder["recommended"],
        "questions": ladder["questions"],
        "why": ladder["why"],
    }
