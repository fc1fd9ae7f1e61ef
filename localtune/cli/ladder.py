"""The command `ladder`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localtune.cli.command import echo


@click.argument("build", type=click.Path(path_type=Path))
@click.option("--levels", default="", metavar="A,B,…", help="Compare these. [default: a choice]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def ladder(build: Path, levels: str, as_json: bool) -> None:
    """Compare levels of BUILD with its master, and say which to take.

    Levels that the build hasn't are made for it and removed again.
    """
    from localtune.build.levels import climb
    from localtune.cli.terminal import progress_for_stderr

    wanted = tuple(part.strip() for part in levels.split(",") if part.strip())
    climbed = climb(build, wanted, progress_for_stderr())
    if as_json:
        echo(json.dumps(climbed, ensure_ascii=False, indent=1))
        return
    from localtune.cli.listing import show_ladder

    show_ladder(climbed)
