"""Every command: parse, call, print. Data goes to stdout, everything else to stderr.

Nothing heavy is imported here; each command loads what it runs, so that --help comes at once.
"""

from __future__ import annotations

import signal
import sys
import warnings
from importlib import import_module
from typing import Any

import click
import rich_click

import localtune
from localtune.cli.command import Commands, command_of
from localtune.cli.options import groups

TITLES = {
    "": "The build",
    "corpus": "Documents",
    "exam": "Exam",
    "lessons": "Lessons",
    "chat": "Conversations",
    "base": "Base",
    "train": "Training",
    "export": "Export",
    "quantize": "Levels",
    "grade": "Grading",
}

rich_click.rich_click.MAX_WIDTH = 100
PANELS = {TITLES[section]: names for section, names in groups().items()}
PANELS["The build"] += ["--out", "--name", "--config", "--json"]
ASKED = ["--country", "--price", "--watts", "--hosted-price"]
rich_click.rich_click.OPTION_GROUPS = {
    f"localtune {name}": [{"name": title, "options": names} for title, names in panels.items()]
    for name, panels in (("build", PANELS), ("plan", {"The plan": ASKED} | PANELS))
}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(localtune.__version__, prog_name="localtune")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Turn a folder of your own documents into a small model in your Ollama list."""
    ctx.obj = {"debug": debug}


# A command is the function of its name in the module of its name.
VERBS = (
    "build",
    "corpus",
    "status",
    "ask",
    "chat",
    "evaluate",
    "plan",
    "lessons",
    "exam",
    "quantize",
    "ladder",
    "convert",
    "merge",
    "modelfile",
    "install",
    "uninstall",
    "serve",
    "push",
    "doctor",
    "clean",
)
for verb in VERBS:
    command_of(cli, verb)(getattr(import_module(f"localtune.cli.{verb}"), verb))


def main() -> None:
    """Run the command line: the entry point of `localtune`."""
    # peft 0.21 asks transformers 5.23 by an old name; a person can do nothing about it.
    warnings.filterwarnings("ignore", r"`is_gradient_checkpointing`", FutureWarning)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _end)
    cli(prog_name="localtune")


def _end(number: int, _: Any) -> None:
    """End as Ctrl-C does, so that no temporary file or folder stays; exit with 128 + `number`.

    Another such signal doesn't interrupt the removal: a terminal that closes may send two.
    """
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
