"""The commands that let a person read: `lessons` and `exam`. main.py adds them to the others."""

from __future__ import annotations

import json
from pathlib import Path

import click

from localtune.cli.command import echo
from localtune.errors import InputError

folder = click.argument("build", type=click.Path(path_type=Path))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


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


@folder
@click.option("--wrong", is_flag=True, help="Only what was answered wrong.")
@click.option("--level", default="", metavar="LEVEL", help="What this level said.")
@as_json
def exam(build: Path, wrong: bool, level: str, as_json: bool) -> None:
    """Print the exam of BUILD and, where it was asked, what was said."""
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
