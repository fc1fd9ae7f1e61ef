"""What the GGUF of a base will say about asking it, before it is written."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localtune.llama.header import Header


def header_of(folder: Path, template: str | None = None) -> Header:
    """Return the header that a model of transformers' format gets as GGUF.

    `template` is another chat template than its own. Raises ExportError, RuntimeFileError.
    """
    from localtune.export.unpack.gguf_source import SOURCE
    from localtune.export.write.master import export_vocabulary
    from localtune.llama.llama import read_header

    if (folder / SOURCE).exists():  # it was made from a GGUF
        header = read_header(folder / SOURCE)
        return replace(header, template=template or header.template)
    with tempfile.TemporaryDirectory() as temporary:
        gguf = Path(temporary) / f"{folder.name}.gguf"
        export_vocabulary(folder, gguf, template)
        header = read_header(gguf)
    return replace(header, template=template or header.template)
