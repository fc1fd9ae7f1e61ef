"""The quantization levels a build may ask for. The work is done by llama/quantize.py."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from localtune.errors import ConfigError

# From large to small: what llama.h of llama-cpp-python 0.3.36 names LLAMA_FTYPE_*, but NVFP4, which
# llama.cpp reads and doesn't make, and the ternary TQ1_0 and TQ2_0, for models trained in them.
LEVELS = (
    *("F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_1", "Q5_K_M", "Q5_K_S", "Q5_0"),
    *("Q4_1", "Q4_K_M", "Q4_K_S", "IQ4_NL", "Q4_0", "MXFP4_MOE", "IQ4_XS"),
    *("Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_S", "Q3_K_S", "IQ3_XS", "IQ3_XXS", "Q2_K"),
    *("Q2_K_S", "IQ2_M", "IQ2_S", "Q2_0", "IQ2_XS", "IQ2_XXS", "IQ1_M"),
    *("IQ1_S", "Q1_0"),
)
# Down to here a level loses too little for an importance matrix to show.
FINE = LEVELS[: LEVELS.index("Q6_K") + 1]


def check_levels(levels: Sequence[str], flag: str = "--quantize") -> None:
    """Raise ConfigError, with the nearest names, for a level that llama.cpp doesn't have."""
    for level in levels:
        if level in LEVELS:
            continue
        near = difflib.get_close_matches(level.upper(), LEVELS, n=3, cutoff=0.5)
        ask = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(
            f"{flag} names a level {level!r} that doesn't exist.",
            f"{ask}The levels are {', '.join(LEVELS)}.",
        )


def wants_imatrix(level: str) -> bool:
    """Whether a build makes this level with its importance matrix: below Q6_K."""
    return level not in FINE
