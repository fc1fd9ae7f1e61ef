"""The command `quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localtune.cli.command import echo
from localtune.cli.options import section_options
from localtune.errors import ConfigError


@click.argument("source", type=click.Path(path_type=Path), metavar="BUILD_OR_FILE")
@click.option(
    "--to", "levels", required=True, metavar="A,B,…", help="Such as Q5_K_M or Q4_K_M,Q8_0."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the files here. [default: into the build, or beside the file]",
)
@click.option(
    "--install",
    "installs",
    is_flag=True,
    help="Put the first of them into Ollama's list too, under a tag of its own.",
)
@section_options("quantize", without="--quantize")
def quantize(source: Path, levels: str, out: Path | None, installs: bool, **given: Any) -> None:
    """Make levels from a build's master, or from any GGUF file that isn't quantized.

    In a build without --out, the Modelfile then points to the first of them.
    """
    if installs and (out or source.is_file()):
        raise ConfigError(
            "--install is for a build whose Modelfile changes.", "Give a build, without --out."
        )
    from localtune.build.levels import quantize_build
    from localtune.cli.terminal import progress_for_stderr
    from localtune.config.file import from_dict, sections_of_options
    from localtune.export.levels import quantize_file
    from localtune.formatting import size

    options = sections_of_options({"quantize": levels, **given})["quantize"]
    from_dict({"quantize": options}).check()
    if source.is_file():
        chosen = from_dict({"quantize": options}).quantize
        made = quantize_file(source, chosen, out, progress_for_stderr())
    else:
        made = quantize_build(source, options, out, progress_for_stderr())
    for gguf in made:
        echo(f"{gguf} ({size(gguf.stat().st_size)})")
    if installs:
        _install(source)


def _install(build: Path) -> None:
    from localtune.cli.install import asking, show_installed
    from localtune.cli.terminal import progress_for_stderr
    from localtune.deploy.install import install_level

    show_installed(*install_level(build, asking(replace=False), progress_for_stderr()))
