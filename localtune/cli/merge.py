"""The command `merge`."""

from __future__ import annotations

from pathlib import Path

import click

from localtune.cli.command import echo


@click.argument("model", type=click.Path(path_type=Path))
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option("--to", "out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def merge(model: Path, adapter: Path, out: Path) -> None:
    """Write MODEL with the PEFT adapter ADAPTER merged in, in transformers' format."""
    from localtune.cli.terminal import progress_for_stderr
    from localtune.export.convert import check_folders
    from localtune.export.merge import merge as merge_adapter
    from localtune.formatting import size

    check_folders(model, adapter)
    merge_adapter(model, adapter, out, progress_for_stderr())
    echo(f"{out} ({size(sum(file.stat().st_size for file in out.iterdir()))})")
