"""Commands and environments for child processes that run this very localtune."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of localtune.

    -P keeps Python from importing modules that lie in the current folder, which may be a build
    folder or documents from somebody else.
    """
    return [sys.executable, "-P", "-m", module]


def module_environment(**more: str) -> dict[str, str]:
    """Return this process's environment with this localtune first in PYTHONPATH.

    Empty entries are dropped: Python reads them as the current folder.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(PACKAGE.parent), *filter(None, others)]
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join(paths)}
