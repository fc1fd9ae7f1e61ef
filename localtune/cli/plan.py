"""The command `plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import localtune
from localtune.cli.command import echo
from localtune.cli.options import stage_options


@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Build folder. [default: ./NAME]")
@click.option("--name", default="", help="The model's name. [default: the name of DOCS]")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A localtune.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.option(
    "--country",
    default="",
    metavar="NAME",
    help="Where the electricity is made, such as DEU or Germany. [default: the world's average]",
)
@click.option("--price", type=float, default=0.0, metavar="N", help="Price of a kWh.")
@click.option(
    "--watts",
    type=float,
    default=0.0,
    metavar="W",
    help="What this machine draws when busy, read from a meter. [default: assumed]",
)
@click.option(
    "--hosted-price",
    type=float,
    default=0.0,
    metavar="N",
    help="Price of a million tokens of a hosted fine-tune, to compare with.",
)
@stage_options
def plan(
    docs: Path, out: Path | None, name: str, file: Path | None, as_json: bool, **given: Any
) -> None:
    """Say what a build of DOCS would take, and whether it is worth it. Builds nothing.

    The documents are read, and training is tried for a few steps. The options of
    `localtune build` count here too, and the base is the one that it would take.
    """
    from localtune.cli.terminal import progress_for_stderr

    made = localtune.plan(
        docs, out, name=name, config=file, progress=progress_for_stderr(), **given
    )
    if as_json:
        echo(json.dumps(made, ensure_ascii=False, indent=1))
        return
    from localtune.cli.plan_view import show_plan

    show_plan(made)
