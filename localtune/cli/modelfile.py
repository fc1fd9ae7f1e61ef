"""The command `modelfile`."""

from __future__ import annotations

from pathlib import Path

import click

from localtune.cli.command import echo_answer


@click.argument("source", type=click.Path(path_type=Path), metavar="GGUF_OR_MODEL_OR_BUILD")
def modelfile(source: Path) -> None:
    """Print the Modelfile of a GGUF file, of a model of transformers' format, or of a build.

    It has no template: Ollama 0.30 and later render the chat template in the GGUF.
    """
    from localtune.deploy.modelfile import modelfile_of

    echo_answer(modelfile_of(source), nl=False)
