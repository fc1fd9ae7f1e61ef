"""Arrays of numbers as they are stored, and as float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Raw = npt.NDArray[Any]


def widen(raw: Raw) -> Array:
    """Return stored numbers as float32; uint16 stands for BF16."""
    if raw.dtype == np.uint16:
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)
