"""The command `lessons`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localtune.cli.command import echo
from localtune.cli.options import as_json, folder


@folder
@click.option("--show", type=click.IntRange(min=0), help="Print this many. [default: 5]")
@click.option("--kind", default="", help="Only this kind, such as row or text; or this reason.")
@click.option("--document", default="", help="Only those about documents of this name.")
@click.option("--search", default="", metavar="TEXT", help="Only those that hold TEXT.")
@click.option(
    "--dropped", is_flag=True, help="Questions that were dropped instead, with the reason."
)
@click.option("--seed", default=7, help="Seed of which ones are shown. [default: 7]")
@as_json
def lessons(
    build: Path,
    show: int | None,
    kind: str,
    document: str,
    search: str,
    dropped: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Say what the lessons of BUILD are about, and show some, drawn at random."""
    from localtune.cli.reading import dropped_of, lessons_of, sample

    found = (dropped_of if dropped else lessons_of)(build, kind, document, search)
    shown = sample(found.rows, 5 if show is None else show, seed)
    if as_json:
        rows = found.rows if show is None else shown
        echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    from localtune.cli.reading_listing import show_lessons

    show_lessons(found, shown)
