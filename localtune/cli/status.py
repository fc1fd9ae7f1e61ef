"""The command `status`."""

from __future__ import annotations

from pathlib import Path

from localtune.cli.command import echo
from localtune.cli.options import as_json, folder, print_json

MAX_STATUS_BYTES = 100_000_000_000  # read to compare files whose sums aren't known: a minute or two


@folder
@as_json
def status(build: Path, as_json: bool) -> None:
    """Say what is done in BUILD, what would run again, and why."""
    from localtune.build.open_build import open_build
    from localtune.build.pipeline import standings

    opened = standings(open_build(build), MAX_STATUS_BYTES)
    if as_json:
        print_json([vars(standing) for standing in opened])
        return
    for standing in opened:
        why = f"  {'; '.join(standing.why)}" if standing.why else ""
        echo(f"{standing.stage:<18}{standing.state:<8}{why}".rstrip())
