"""The command `uninstall`."""

from __future__ import annotations

import click

from localtune.cli.command import echo
from localtune.cli.install import HOST


@click.argument("model", metavar="NAME_OR_BUILD")
@click.option("--host", default="", metavar="URL", help=HOST)
def uninstall(model: str, host: str) -> None:
    """Delete a model from Ollama; the build's own files stay.

    Of a BUILD only what `localtune install` made of it, unless that was changed since.
    """
    from localtune.cli.terminal import progress_for_stderr
    from localtune.deploy.uninstall import uninstall as uninstall_model

    for place in uninstall_model(model, host, progress_for_stderr()):
        echo(f"{place.name} is no longer in Ollama's list at {place.url}.")
