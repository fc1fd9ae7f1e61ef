"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from localtune.cli.options import as_json, folder, print_json, which_level


@folder
@click.option(
    "--exam",
    type=click.Path(path_type=Path),
    help="Your own questions, a JSON object a "
    "line: id, question, answers. [default: the build's exam]",
)
@which_level
@as_json
def evaluate(build: Path, exam: Path | None, level: str, as_json: bool) -> None:
    """Ask the model in BUILD every question of an exam and say how many it answers."""
    from localtune.build.grading import grade_model
    from localtune.build.models import load
    from localtune.build.open_build import open_build, shipped
    from localtune.cli.summary import show_grade
    from localtune.cli.terminal import progress_for_stderr

    opened = open_build(build)
    gguf, questions = shipped(opened, level), exam or opened.at.exam
    asking = opened.config.grade
    model = load(opened, gguf, asking.context)
    graded = grade_model(model, questions, asking, progress_for_stderr(), opened.config.chat.system)
    graded = {"model": str(gguf), "exam": str(questions), **graded}
    if as_json:
        print_json(graded)
    else:
        show_grade(graded)
