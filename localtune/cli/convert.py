"""The command `convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localtune.cli.command import echo


@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL_OR_BUILD")
@click.option("--adapter", type=click.Path(path_type=Path), help="A PEFT adapter to merge in.")
@click.option("--to", "out", type=click.Path(path_type=Path), required=True, help="The GGUF file.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["bf16", "f16", "f32"]),
    help="How matrices are stored. [default: bf16; f32 with --adapter-only]",
)
@click.option("--name", default="", help="The model's name. [default: the folder's]")
@click.option(
    "--converter",
    type=click.Choice(["auto", "own", "llama.cpp"]),
    default="auto",
    show_default=True,
    help="Who converts: localtune, or llama.cpp's script (auto: where localtune can't).",
)
@click.option("--adapter-only", is_flag=True, help="Write the adapter alone, as GGUF.")
@click.option(
    "--from",
    "base",
    default="",
    metavar="BASE",
    help="With --adapter-only, write a Modelfile too: FROM this GGUF or Ollama model.",
)
@click.option("--offline", is_flag=True, help="Fetch nothing, not even llama.cpp's script.")
def convert(
    model: Path,
    adapter: Path | None,
    out: Path,
    kind: str | None,
    adapter_only: bool,
    base: str,
    **given: Any,
) -> None:
    """Write a model of transformers' format as one GGUF file.

    For a build folder, its base and its adapter are used.
    """
    from localtune.cli.terminal import progress_for_stderr
    from localtune.export.convert_command import convert_adapter, convert_model
    from localtune.formatting import size

    progress = progress_for_stderr()
    if adapter_only:
        convert_adapter(model, adapter, out, kind or "f32", given["name"], base, progress)
        by = "own"
    else:
        by = convert_model(model, adapter, out, kind=kind or "bf16", progress=progress, **given)
    converter = "" if by == "own" else f", by {by}'s converter"
    echo(f"{out} ({size(out.stat().st_size)}{converter})")
