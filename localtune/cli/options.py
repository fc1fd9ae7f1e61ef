"""A configuration field -> a click option. Name, help and default stand in config/stages.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import click

from localtune.cli.command import echo
from localtune.config.fields import flags, section_type, sections

Command = TypeVar("Command", bound=Callable[..., Any])


def stage_options(command: Command) -> Command:
    """Add every flag of the build and its stages; one that isn't given is passed as None."""
    for section in reversed(("", *sections())):
        command = section_options(section)(command)
    return command


def section_options(section: str, without: str = "") -> Callable[[Command], Command]:
    """Add an option for every field of one stage, but for the flag that is left out."""

    def add(command: Command) -> Command:
        for flag, (owner, spec) in reversed(flags().items()):
            wanted = owner == section and flag != without
            command = _option(flag, owner, spec)(command) if wanted else command
        return command

    return add


def _option(flag: str, section: str, spec: dataclasses.Field[Any]) -> Callable[[Command], Command]:
    kind = get_type_hints(section_type(section))[spec.name]
    text = f"{spec.metadata['help']} [default: {_shown(spec)}]"
    if kind is bool:
        return click.option(flag, is_flag=True, default=None, help=spec.metadata["help"])
    return click.option(
        flag,
        type=kind if kind in (int, float) else str,
        default=None,
        metavar=_metavar(kind, spec),
        help=text,
    )


def _metavar(kind: Any, spec: dataclasses.Field[Any]) -> str:
    if kind in (int, float):
        return spec.metadata["unit"].upper() or "N"
    return "A,B,…" if isinstance(spec.default, tuple) else "TEXT"


def _shown(spec: dataclasses.Field[Any]) -> str:
    default = spec.default
    return (",".join(default) if isinstance(default, tuple) else str(default)) or "none"


def groups() -> dict[str, list[str]]:
    """Return {section: [flags]}, to lay out the help by stage."""
    sections: dict[str, list[str]] = {}
    for flag, (section, _) in flags().items():
        sections.setdefault(section, []).append(flag)
    return sections


folder = click.argument("build", type=click.Path(path_type=Path))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def print_json(value: Any) -> None:
    echo(json.dumps(value, ensure_ascii=False, indent=1))


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
