"""The command `corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from localtune.cli.options import as_json, print_json, section_options


@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the JSONL files here.")
@click.option("--show", type=click.Choice(["removed"]), help="Print what was left out, and why.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A localtune.toml.")
@as_json
@section_options("corpus")
def corpus(
    docs: Path,
    out: Path | None,
    show: str | None,
    file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Read the documents in DOCS as a build would; say what became of each. Builds nothing.

    --out writes documents.jsonl, passages.jsonl (the text that would be learned from), chats.jsonl
    and removed.jsonl.
    """
    from localtune.build.open_build import read_documents
    from localtune.cli.terminal import progress_for_stderr
    from localtune.config.file import load, sections_of_options

    config = load(file, sections_of_options(given)).corpus
    documents, removed = read_documents(docs, out, config, progress_for_stderr())
    if as_json:
        print_json(removed if show else [_without_text(row) for row in documents])
        return
    from localtune.cli.listing import show_documents, show_removed

    if show:
        show_removed(removed)
    else:
        show_documents(documents)


def _without_text(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "text"}
