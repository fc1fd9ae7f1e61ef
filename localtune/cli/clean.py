"""The command `clean`."""

from __future__ import annotations

from pathlib import Path

from localtune.cli.command import echo
from localtune.cli.options import folder


@folder
def clean(build: Path) -> None:
    """Remove the work files of BUILD; the model, the Modelfile and the report stay."""
    from localtune.build.open_build import open_build
    from localtune.formatting import size

    at = open_build(build).at
    with at.hold():
        freed = at.clean()
    echo(f"{at.work}: {size(freed)} freed. The next build starts from the documents.")
