"""The command `install`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localtune.cli.command import echo
from localtune.errors import ConfigError

if TYPE_CHECKING:
    from localtune.deploy.install_check import Checked
    from localtune.deploy.installed import InstalledModel

HOST = "Ollama's address, as HOST:PORT or a URL. [default: OLLAMA_HOST, or this machine]"


@click.argument("build", type=click.Path(path_type=Path))
@click.option("--name", default="", metavar="NAME[:TAG]", help="[default: the build's name]")
@click.option("--host", default="", metavar="URL", help=HOST)
@click.option(
    "--level",
    default="",
    metavar="LEVEL",
    help="Use this level. [default: the one in the Modelfile]",
)
@click.option("--replace", is_flag=True, help="Replace a model of that name without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def install(build: Path, name: str, host: str, level: str, replace: bool, as_json: bool) -> None:
    """Put the model in BUILD into the list of a running Ollama, and ask it one question.

    NAME without a tag means NAME:latest, as in Ollama.
    """
    from localtune.cli.terminal import progress_for_stderr
    from localtune.deploy.install import install as install_build

    progress = progress_for_stderr()
    installed = install_build(build, name, host, level, asking(replace), progress)
    show_installed(*installed, as_json=as_json)


def show_installed(build: Any, wanted: Any, place: InstalledModel, as_json: bool = False) -> None:
    """Check a model that was installed and print where it is and what it answers."""
    from localtune.cli.terminal import progress_for_stderr
    from localtune.deploy.install_check import check_installed

    if not as_json:
        echo(f"{place.name} is in Ollama's list at {place.url}: {_run(place)}")
    checked = check_installed(build, wanted, place, progress_for_stderr())
    if as_json:
        found = {"name": place.name, "url": place.url, **vars(checked)}
        echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _show(checked)


def _show(checked: Checked) -> None:
    known = {True: " (right)", False: " (wrong)", None: ""}[checked.correct]
    echo(f"  asked     {checked.question}")
    echo(f"  answered  {checked.answer}{known}")


def _run(place: InstalledModel) -> str:
    from localtune.ollama.host import server_url

    try:
        usual = server_url() == place.url
    except ConfigError:  # OLLAMA_HOST is wrong, and --host was given instead
        usual = False
    name = place.name.removesuffix(":latest")
    return f"{'' if usual else f'OLLAMA_HOST={place.url} '}ollama run {name}"


def asking(replace: bool) -> Callable[[str, str], bool]:
    """Return who decides about a model that is there already: the option, a person, or nobody."""

    def decide(name: str, _: str) -> bool:
        if replace or not sys.stdin.isatty():
            return replace
        return click.confirm(f"Ollama has a model {name} already. Replace it?", err=True)

    return decide
