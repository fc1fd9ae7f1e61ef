"""The command `serve`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from localtune.cli.command import echo


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
