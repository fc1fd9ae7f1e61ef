"""The command `push`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtune.cli.command import echo

if TYPE_CHECKING:
    from localtune.deploy.hub import Upload


@click.argument("build", type=click.Path(path_type=Path))
@click.argument("repo", metavar="USER/REPO")
@click.option(
    "--level", "levels", default="", metavar="A,B,…", help="Only these. [default: the build's own]"
)
@click.option("--public", is_flag=True, help="Make a new repository public. [default: private]")
@click.option("--dry-run", is_flag=True, help="Only list what would go; needs no network.")
@click.option(
    "--yes-private-data",
    is_flag=True,
    help="Push though private data wasn't replaced in the documents.",
)
def push(
    build: Path, repo: str, levels: str, public: bool, dry_run: bool, yes_private_data: bool
) -> None:
    """Upload the model in BUILD to the Hugging Face Hub, where Ollama can run it from.

    The GGUF files, the model card, and Ollama's template and parameters go up; nothing else does.
    Run it again after an interruption: what is there already isn't sent twice.
    """
    from localtune.deploy import push as pushing

    wanted = tuple(part.strip() for part in levels.split(",") if part.strip())
    if dry_run:
        _show_plan(*pushing.upload_list(build, repo, wanted), yes_private_data)
        return
    say = partial(echo, err=True)
    echo(pushing.push(build, repo, wanted, public, yes_private_data, say))


def _show_plan(uploads: list[Upload], why: str, private_data: bool) -> None:
    from localtune.formatting import plural, size

    for upload in uploads:
        echo(f"{upload.size:>14,} bytes  {upload.path}")
    echo(f"{plural(len(uploads), 'file')}, {size(sum(upload.size for upload in uploads))}")
    if why and not private_data:
        echo(f"Warning: this would be refused without --yes-private-data: {why}.", err=True)
