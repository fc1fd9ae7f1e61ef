"""The command `chat`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from localtune.cli.command import echo_answer
from localtune.cli.options import context_of, folder, which_level


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
