"""The commands that ask a build: `ask`, `chat` and `evaluate`. main.py adds them to the others."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from localtune.cli.command import echo, echo_answer

folder = click.argument("build", type=click.Path(path_type=Path))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
which_level = click.option(
    "--level",
    default="",
    metavar="LEVEL",
    help="Use this level. [default: the one in the Modelfile]",
)
context_of = partial(
    click.option,
    "--context",
    type=click.IntRange(min=64),
    metavar="TOKENS",
)


@folder
@click.argument("question")
@which_level
@context_of(help="Tokens of question and answer. [default: the exam's]")
@as_json
def ask(build: Path, question: str, level: str, context: int | None, as_json: bool) -> None:
    """Ask the model in BUILD one QUESTION."""
    from localtune.deploy.talk import answer

    gguf, text = answer(build, question, level, context or 0)
    if as_json:
        _print_json({"question": question, "answer": text, "model": str(gguf)})
    else:
        echo_answer(text)


@folder
@which_level
@context_of(help="Tokens of the conversation that stay in view. [default: 1024]")
def chat(build: Path, level: str, context: int | None) -> None:
    """Hold a conversation with the model in BUILD; an empty line or Ctrl-D ends it."""
    from localtune.deploy.talk import converse

    def write(text: str) -> None:
        echo_answer(text, nl=False)

    converse(build, level, _read_line, write, context or 0)


def _read_line() -> str:
    """Return what a person typed, "" at the end of the input."""
    click.echo("> ", nl=False, err=True)
    return sys.stdin.readline()


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
    from localtune.build.adapter_only import load
    from localtune.build.grading import grade_model
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
        _print_json(graded)
    else:
        show_grade(graded)


def _print_json(value: Any) -> None:
    echo(json.dumps(value, ensure_ascii=False, indent=1))
