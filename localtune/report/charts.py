"""Charts as inline SVG. Colours come from the page's style sheet, so they follow light and dark.

Units: SVG user units; a chart is as wide as the page and keeps its proportions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from localtune.formatting import interval, percent

_WIDTH = 720
_MOST_POINTS = 600  # of a loss curve; more can't be told apart


@dataclass(frozen=True)
class RecallBar:
    """One bar: the share of the exam that was answered, with its 95 % interval.

    `note` stands behind the figure, the interval where there is none.
    """

    label: str
    share: float
    bounds: tuple[float, float]
    tuned: bool
    note: str = ""


def recall_bars(bars: list[RecallBar], title: str = "Exam recall") -> Markup:
    """Draw one horizontal bar a model, with a whisker for the interval and a scale below."""
    row, left, right = 46, 150, 230 if any(bar.note for bar in bars) else 170
    span = _WIDTH - left - right
    height = row * len(bars) + 34
    parts = [_grid(left + span * tick / 4, height - 28, f"{25 * tick} %") for tick in range(5)]
    for i, bar in enumerate(bars):
        parts.append(_bar(bar, i * row + 8, left, span))
    said = "; ".join(f"{bar.label} {percent(bar.share)}" for bar in bars)
    return _svg(height, title, said, parts)


def _grid(x: float, bottom: float, label: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}"/>'
        '<text class="tick" x="{0:.1f}" y="{2}" text-anchor="middle">{3}</text>'
    ).format(x, bottom, bottom + 20, label)


def _bar(bar: RecallBar, top: float, left: float, span: float) -> Markup:
    lo, hi = bar.bounds
    return Markup(
        '<text class="label" x="{label_x}" y="{text_y}" text-anchor="end">{label}</text>'
        '<rect class="{kind}" x="{left}" y="{top}" width="{width:.1f}" height="26" rx="4"/>'
        '<path class="whisker" d="M{lo:.1f} {mid}H{hi:.1f}M{lo:.1f} {a}V{b}M{hi:.1f} {a}V{b}"/>'
        '<text class="value" x="{value_x}" y="{text_y}">{value}</text>'
        '<text class="tick" x="{note_x}" y="{text_y}">{note}</text>'
    ).format(
        label_x=left - 12,
        text_y=top + 18,
        label=bar.label,
        kind="tuned" if bar.tuned else "base",
        left=left,
        top=top,
        width=max(span * bar.share, 2),
        lo=left + span * lo,
        hi=left + span * hi,
        mid=top + 13,
        a=top + 7,
        b=top + 19,
        value_x=left + span + 16,
        value=percent(bar.share),
        note_x=left + span + 74,
        note=bar.note or interval([lo, hi]),
    )


def loss_curve(points: list[tuple[float, float]], title: str = "Training loss") -> Markup:
    """Draw loss, or what the title says, over steps: every value faintly, and their running mean.

    Returns nothing where there are fewer than two finite points.
    """
    points = [(step, loss) for step, loss in points if math.isfinite(loss)]
    if len(points) < 2:
        return Markup("")
    points = points[:: max(1, len(points) // _MOST_POINTS)]
    height, left, bottom = 260, 52, 222
    last = points[-1][0] or 1
    top_loss = _rounded_up(max(loss for _, loss in points))

    def path(values: list[tuple[float, float]]) -> str:
        spots = (
            f"{left + (_WIDTH - left - 16) * step / last:.1f} "
            f"{bottom - (bottom - 12) * loss / top_loss:.1f}"
            for step, loss in values
        )
        return "M" + "L".join(spots)

    ticks = [
        _level(top_loss * i / 4, bottom - (bottom - 12) * i / 4, left, top_loss) for i in range(5)
    ]
    steps = [_step(last * i / 4, left + (_WIDTH - left - 16) * i / 4, bottom) for i in range(5)]
    lines = Markup('<path class="raw" d="{}"/><path class="mean" d="{}"/>').format(
        path(points), path(_running_mean(points))
    )
    said = f"{title} from {points[0][1]:.2f} to {points[-1][1]:.2f} over {last:g} steps"
    return _svg(height, title, said, [*ticks, *steps, lines])


def _level(loss: float, y: float, left: float, top: float) -> Markup:
    digits = 0 if top >= 4 else 1 if top >= 0.4 else 2
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(left, _WIDTH - 16, y, y, left - 10, y + 4, f"{loss:.{digits}f}")


def _step(step: float, x: float, bottom: float) -> Markup:
    return Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
        x, bottom + 24, f"{step:.0f}"
    )


def _running_mean(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Mean of each point and its neighbours, a twentieth of the curve wide."""
    reach = max(1, len(points) // 40)
    means = []
    for i, (step, _) in enumerate(points):
        near = [loss for _, loss in points[max(0, i - reach) : i + reach + 1]]
        means.append((step, sum(near) / len(near)))
    return means


def _rounded_up(value: float) -> float:
    """Round up to 1, 2, 4, 6 or 8 times a power of ten, so that quarters are short numbers."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * n for n in (1, 2, 4, 6, 8, 10) if unit * n >= value)


def standalone(chart: Markup, style: str) -> str:
    """Return a chart as an SVG file, which holds the page's style sheet."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}"'
    return str(chart).replace("<svg", head, 1).replace(">", f"><style>{style}</style>", 1) + "\n"


def _svg(height: float, title: str, description: str, parts: list[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(_WIDTH, height, title, description, Markup("").join(parts))
