"""How a command behaves whatever it does: errors with hints, exit codes, --debug, Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
import rich_click

from localtune.cli.controls import escape_controls
from localtune.errors import LocaltuneError
from localtune.machine import ranks

STOPPED = "Stopped. Nothing is lost: run it again; a build goes on where it stopped."


class Commands(rich_click.RichGroup):
    """The one place where an error becomes a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LocaltuneError as error:
            ranks.let_the_first_speak()
            _show_error(error, debug=bool(ctx.ensure_object(dict).get("debug")))
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo(f"\n{STOPPED}", err=True)
            ctx.exit(130)


def echo(text: str, nl: bool = True, err: bool = False) -> None:
    """Print a text whose control characters, whoever wrote it, are written out."""
    click.echo(escape_controls(text), nl=nl, err=err)


def echo_answer(text: str, nl: bool = True) -> None:
    """Print what a model or file says on stdout: as it is, unless that is a terminal."""
    click.echo(escape_controls(text) if sys.stdout.isatty() else text, nl=nl)


def _show_error(error: LocaltuneError, debug: bool) -> None:
    if debug:
        import traceback

        echo("".join(traceback.format_exception(error)), nl=False, err=True)
    for label, color, text in (("Error:", "red", error.message), ("Hint:", None, error.hint)):
        if text:
            click.echo(
                f"{click.style(label, fg=color, bold=True)} {escape_controls(text)}", err=True
            )


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(dict)["debug"] = True


def command_of(group: click.Group, name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Declare a command of a group that also takes --debug behind its name."""

    def declare(function: Callable[..., None]) -> click.Command:
        debug = click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_set_debug,
            help="Show the traceback of an error.",
        )
        return group.command(name, cls=rich_click.RichCommand)(debug(function))

    return declare
