"""The commands that hand a build on: `serve` and `push`. main.py adds them to the others."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localtune.cli.command import echo

if TYPE_CHECKING:
    from localtune.deploy.hub import Upload


@click.argument("build", type=click.Path(path_type=Path))
@click.option(
    "--level",
    default="",
    metavar="LEVEL",
    help="Serve this level. [default: the one in the Modelfile]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--context",
    type=click.IntRange(min=64),
    metavar="TOKENS",
    help="Tokens of one conversation. [default: what the model was trained on, up to 4096]",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Requests answered at once; others wait. More than 1 needs llama-server and a key.",
)
@click.option(
    "--api-key",
    "key",
    default="",
    envvar="LOCALTUNE_API_KEY",
    metavar="KEY",
    help="Answer only who sends this key. Better set LOCALTUNE_API_KEY: everyone on this machine "
    "can read a command line.",
)
def serve(
    build: Path, level: str, host: str, port: int, context: int | None, parallel: int, key: str
) -> None:
    """Serve the model in BUILD over an OpenAI-compatible API, until Ctrl-C.

    llama.cpp's llama-server is used if it is on PATH and a key is set, otherwise
    llama-cpp-python's own server.
    """
    from localtune.deploy.serve import Serving
    from localtune.deploy.serve import serve as serve_build

    asked = Serving(host, port, context or 0, parallel, key)
    serve_build(build, level, asked, partial(echo, err=True))


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
