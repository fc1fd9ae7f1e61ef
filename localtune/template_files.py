"""Where the templates lie that come with localtune: of report and card."""

from __future__ import annotations

from pathlib import Path

import localtune

_PACKAGE = Path(localtune.__file__).parent


def templates_folder() -> Path:
    """Return where the templates lie: in the package of a wheel, beside it in a checkout."""
    packed = _PACKAGE / "templates"
    return packed if packed.is_dir() else _PACKAGE.parent / "templates"
