"""Numbers as a person writes them."""

from __future__ import annotations


def percent(share: float) -> str:
    """Write 0.934 as 93 %."""
    return f"{100 * share:.0f} %"


def interval(bounds: list[float]) -> str:
    """Write [0.88, 0.961] as 88–96 %."""
    lo, hi = bounds
    return f"{100 * lo:.0f}–{100 * hi:.0f} %"


def duration(seconds: float) -> str:
    """Write seconds as 0.4 s, 8 s, 4 min 05 s, 2 h 10 min."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(n: int) -> str:
    """Write bytes as 12 kB, 9.4 MB, 1.2 GB."""
    if n < 1e6:
        return f"{n / 1e3:.0f} kB"
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def plural(n: int, thing: str) -> str:
    """Write 1 document, 1,024 documents."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
