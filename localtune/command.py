"""How a command behaves whatever it does: errors with hints, exit codes, --debug, Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import rich_click

from localtune import ranks
from localtune.errors import LocaltuneError

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


def _show_error(error: LocaltuneError, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error)
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"{click.style('Hint:', bold=True)} {error.hint}", err=True)


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
