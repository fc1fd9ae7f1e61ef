"""A GGUF adapter and what it lies upon -> the Modelfile that `ollama create` reads.

Facts of the grammar: parser/parser.go of Ollama 0.33. It doesn't check that base and adapter
belong together: that is known when the adapter is written (export/gguf_adapter.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from localtune.errors import RuntimeFileError
from localtune.runtimes.chosen_template import GoTemplate, choose
from localtune.runtimes.header import Header
from localtune.runtimes.llama import read_header
from localtune.runtimes.modelfile import (
    EXACT,
    SETTINGS,
    licence_lines,
    lines_of,
    system_lines,
    text_of,
)
from localtune.runtimes.modelfile_grammar import Command
from localtune.workspace import write_text

TRAINED = "# The chat template that the adapter was trained with, which isn't the base's own."
INHERITED = "# Template, stops, context and licence are those of the base in Ollama."
# server/create.go: layers of a model that is named are kept, and a LICENSE comes on top of them.
LICENSED = "# The licence is that of the base in Ollama, as is every setting that isn't named here."


def write_adapter_modelfile(
    adapter: Path,
    modelfile: Path,
    base: Path | str,
    *,
    template: str | None = None,
) -> None:
    """Write the Modelfile of a GGUF adapter, as `adapter_modelfile_text` has it."""
    write_text(modelfile, adapter_modelfile_text(adapter, modelfile, base, template=template))


def adapter_modelfile_text(
    adapter: Path,
    modelfile: Path,
    base: Path | str,
    *,
    template: str | None = None,
    name: str = "",
    licence: str = "",
    system: str = "",
) -> str:
    """Return the text of a GGUF adapter's Modelfile, which will lie at `modelfile`.

    `base` is a GGUF, or the name of a model in Ollama, which keeps its own chat template and stops.
    `template` is the Jinja that the adapter was trained with, where it isn't that of the GGUF;
    `name` is what Ollama calls the GGUF, where it has it: the file isn't stored a second time, and
    the licence that it has there counts; else that is the text `licence`. `system` is the system
    prompt of the lessons.
    Raises RuntimeFileError for a GGUF that can't be read, and for such a template where no Go
    template can be derived from it.
    """
    if isinstance(base, str):
        text = _upon_a_name(adapter, modelfile, base)
    else:
        text = _upon_a_file(adapter, modelfile, base, template, name, licence)
    return text + text_of(system_lines(system))


def _upon_a_name(adapter: Path, modelfile: Path, base: str) -> str:
    return text_of(
        [
            f"# ollama create {adapter.stem} -f Modelfile",
            Command("FROM", base),
            Command("ADAPTER", _named(adapter, modelfile)),
            INHERITED,
            SETTINGS,
            *EXACT,
        ]
    )


def _upon_a_file(
    adapter: Path, modelfile: Path, base: Path, template: str | None, name: str, licence: str
) -> str:
    header = replace(read_header(base), name=adapter.stem.removesuffix("-adapter"))
    own = template is not None and template != header.template
    chosen = _chosen(replace(header, template=template or header.template), own)
    return text_of(
        [
            f"# ollama create {header.name} -f Modelfile",
            Command("FROM", name or _named(base, modelfile)),
            Command("ADAPTER", _named(adapter, modelfile)),
            *lines_of(header, chosen, exact=True),
            *([LICENSED] if name else licence_lines(header, licence)),
        ]
    )


def _chosen(header: Header, own: bool) -> GoTemplate | None:
    found = choose(header)
    if own and found is None:
        raise RuntimeFileError(
            "The adapter was trained with a chat template that the base's GGUF doesn't hold and "
            "that does more than a Go template can be derived for.",
            "Export it merged into its base instead, which holds the template.",
        )
    return replace(found, about=TRAINED) if own and found else found


def _named(file: Path, modelfile: Path) -> str:
    """Return a file as Ollama finds it from the Modelfile's folder."""
    folder = modelfile.resolve().parent
    file = file.resolve()
    return f"./{file.name}" if file.parent == folder else file.as_posix()
