"""The command `exam`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localtune.cli.command import echo
from localtune.cli.options import as_json, folder
from localtune.errors import InputError


@folder
@click.option("--wrong", is_flag=True, help="Only what was answered wrong.")
@click.option("--level", default="", metavar="LEVEL", help="What this level said.")
@as_json
def exam(build: Path, wrong: bool, level: str, as_json: bool) -> None:
    """Print the exam of BUILD, with the answers if it was graded."""
    from localtune.cli.reading import exam_of

    graded, rows = exam_of(build, level)
    if wrong and not graded:
        raise InputError(f"The exam of {build} was not asked yet.", "Let the build end first.")
    if as_json:
        shown = [row for row in rows if not wrong or row.get("correct") is False]
        echo(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    from localtune.cli.reading_listing import show_exam

    show_exam(graded, rows, wrong)
