"""What keeps a library from fetching code: nothing is loaded from a network behind a build's back.

bitsandbytes, which PEFT imports wherever it is installed, looks on the Hub for faster code for a
CPU, through the package `kernels`. Called before PEFT is imported; loads nothing itself.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from typing import Any


def keep_from_fetching() -> None:
    """Let `kernels` seem not to be installed, in silence; nothing without bitsandbytes."""
    modules: dict[str, Any] = sys.modules
    if "kernels" not in modules and importlib.util.find_spec("bitsandbytes"):
        modules["kernels"] = None  # importing it fails, and looking for it finds nothing
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
