"""The command `build`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import localtune
from localtune.cli.options import as_json, print_json, stage_options


@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Build folder. [default: ./NAME]")
@click.option("--name", default="", help="The model's name. [default: the name of DOCS]")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A localtune.toml.")
@as_json
@stage_options
def build(
    docs: Path, out: Path | None, name: str, file: Path | None, as_json: bool, **given: Any
) -> None:
    """Turn the documents in DOCS into a model, and show that it knows them.

    Run it again after a change, or after it was stopped: only what depends on the change is done.
    """
    from localtune.cli.terminal import progress_for_stderr
    from localtune.machine import ranks

    progress = progress_for_stderr() if ranks.first() else None
    result = localtune.build(docs, out, name=name, config=file, progress=progress, **given)
    if not ranks.first():
        return
    if as_json:
        print_json({**vars(result), "folder": str(result.folder)})
    else:
        _show_result(result)


def _show_result(result: Any) -> None:
    from localtune.cli.summary import show

    show(result)
