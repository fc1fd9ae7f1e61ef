"""The command `ask`."""

from __future__ import annotations

from pathlib import Path

import click

from localtune.cli.command import echo_answer
from localtune.cli.options import as_json, context_of, folder, print_json, which_level


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
        print_json({"question": question, "answer": text, "model": str(gguf)})
    else:
        echo_answer(text)
