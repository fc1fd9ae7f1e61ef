"""The quantization levels a build may ask for. The work is done by runtimes/llama.py."""

from __future__ import annotations

import difflib

from localtune.errors import ConfigError

# From large to small. Those that need an importance matrix (IQ1, IQ2, IQ3_XXS) aren't offered.
LEVELS = (
    *("BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0"),
    *("Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS"),
    *("Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K"),
)


def check_levels(levels: list[str]) -> None:
    """Raise ConfigError, with the nearest names, for a level that llama.cpp doesn't have."""
    for level in levels:
        if level in LEVELS:
            continue
        near = difflib.get_close_matches(level.upper(), LEVELS, n=3, cutoff=0.5)
        ask = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(
            f"--quantize names a level {level!r} that doesn't exist.",
            f"{ask}The levels are {', '.join(LEVELS)}.",
        )
