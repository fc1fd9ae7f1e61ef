"""A GGUF adapter and what it lies upon -> the Modelfile that `ollama create` reads.

Facts of the grammar: parser/parser.go of Ollama 0.33. It doesn't check that base and adapter
belong together: that is known when the adapter is written (export/gguf_adapter.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from localtune.errors import RuntimeFileError
from localtune.runtimes.header import Header
from localtune.runtimes.llama import read_header
from localtune.runtimes.modelfile import EXACT, SETTINGS, TEMPLATE, lines_of, system_lines, text_of
from localtune.runtimes.modelfile_grammar import Command
from localtune.runtimes.pieces import Pieces
from localtune.runtimes.template import derive
from localtune.workspace import write_text

TRAINED = "# The chat template that the adapter was trained with, which isn't the base's own."
INHERITED = "# Template, stops and context are those of the base in Ollama."


def write_adapter_modelfile(
    adapter: Path,
    modelfile: Path,
    base: Path | str,
    *,
    template: str | None = None,
    name: str = "",
    system: str = "",
) -> None:
    """Write the Modelfile of a GGUF adapter.

    `base` is a GGUF, or the name of a model in Ollama, which keeps its own chat template and stops.
    `template` is the Jinja that the adapter was trained with, where it isn't that of the GGUF;
    `name` is what Ollama calls the GGUF, where it has it: the file isn't stored a second time;
    `system` is the system prompt of the lessons.
    Raises RuntimeFileError for a GGUF that can't be read, and for such a template where no Go
    template can be derived from it.
    """
    if isinstance(base, str):
        text = _upon_a_name(adapter, modelfile, base)
    else:
        text = _upon_a_file(adapter, modelfile, base, template, name)
    write_text(modelfile, text + text_of(system_lines(system)))


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
    adapter: Path, modelfile: Path, base: Path, template: str | None, name: str
) -> str:
    header = replace(read_header(base), name=adapter.stem.removesuffix("-adapter"))
    own = template is not None and template != header.template
    pieces = _pieces(replace(header, template=template or header.template), own)
    text = text_of(
        [
            f"# ollama create {header.name} -f Modelfile",
            Command("FROM", name or _named(base, modelfile)),
            Command("ADAPTER", _named(adapter, modelfile)),
            *lines_of(header, pieces, exact=True),
        ]
    )
    return text.replace(TEMPLATE, TRAINED, 1) if own else text


def _pieces(header: Header, own: bool) -> Pieces | None:
    pieces = derive(header.template, header.bos, header.eos)
    if own and pieces is None:
        raise RuntimeFileError(
            "The adapter was trained with a chat template that the base's GGUF doesn't hold and "
            "that does more than a Go template can be derived for.",
            "Export it merged into its base instead, which holds the template.",
        )
    return pieces


def _named(file: Path, modelfile: Path) -> str:
    """Return a file as Ollama finds it from the Modelfile's folder."""
    folder = modelfile.resolve().parent
    file = file.resolve()
    return f"./{file.name}" if file.parent == folder else file.as_posix()
