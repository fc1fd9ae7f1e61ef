"""A GGUF adapter and what it lies upon -> the Modelfile that `ollama create` reads.

Facts of the grammar: parser/parser.go of Ollama 0.33. It doesn't check that base and adapter
belong together: that is known when the adapter is written (export/write/gguf_adapter.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from localtune.errors import RuntimeFileError
from localtune.llama.llama import read_header
from localtune.ollama.modelfile import (
    EXACT,
    LIMIT,
    LONGEST_CONTEXT,
    REQUIRES,
    SETTINGS,
    UNLIKE,
    Line,
    licence_lines,
    lines_of,
    text_of,
)
from localtune.ollama.modelfile_grammar import Command
from localtune.ollama.name import valid_name
from localtune.ollama.store import OllamaModel
from localtune.workspace import write_text

INHERITED = "# Template, stops, context and licence are those of the base in Ollama."
# server/create.go: layers of a model that is named are kept, and a LICENSE comes on top of them.
LICENSED = "# The licence is that of the base in Ollama, as is every setting that isn't named here."
NEEDS = """\
# Ollama 0.34.1 and later makes no model with an ADAPTER; those made before run there. llama-server
# loads this one as it is (--lora), and a build without --adapter-only needs no adapter."""
PENALTIES = ("presence_penalty", "frequency_penalty")  # of use at any temperature


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
    known: OllamaModel | None = None,
    licence: str = "",
    lesson_tokens: int = 0,
) -> str:
    """Return the text of a GGUF adapter's Modelfile, which will lie at `modelfile`.

    `base` is a GGUF, or the name of a model in Ollama, which keeps its own chat template and stops.
    `template` is the Jinja that the adapter was trained with, None if not known; `known` is the
    model in Ollama that the GGUF is of: the file isn't stored a second time, and its licence there
    counts; else that is the text `licence`. `lesson_tokens` is the length of the longest lesson, 0
    if not known.
    Raises RuntimeFileError for a GGUF that can't be read, and for one with another chat template
    than `template`: Ollama renders that of the GGUF.
    """
    if isinstance(base, str):
        return text_of(_on_a_name(adapter, modelfile, base))
    header = replace(read_header(base), name=adapter.stem.removesuffix("-adapter"))
    if template is not None and _core(template) != _core(header.template):
        raise _other_template()
    known = known if known and _can_inherit(known) else None
    return text_of(
        [
            f"# ollama create {valid_name(header.name)} -f Modelfile\n{NEEDS}",
            Command("FROM", known.name if known else _named(base, modelfile)),
            Command("ADAPTER", _named(adapter, modelfile)),
            *_over(known, lines_of(header, exact=True, lesson_tokens=lesson_tokens)),
            *([LICENSED] if known else licence_lines(header, licence)),
        ]
    )


def _on_a_name(adapter: Path, modelfile: Path, base: str) -> list[Line]:
    return [
        f"# ollama create {valid_name(adapter.stem)} -f Modelfile\n{NEEDS}",
        Command("FROM", base),
        Command("ADAPTER", _named(adapter, modelfile)),
        REQUIRES,
        INHERITED,
        SETTINGS,
        *EXACT,
        LIMIT,
        Command("PARAMETER", str(LONGEST_CONTEXT), "num_predict"),
    ]


def _can_inherit(known: OllamaModel) -> bool:
    """Whether a model FROM this one is shown what the GGUF's chat template renders, and no more.

    A Go template that it inherits can be replaced, but not removed.
    """
    return not known.speaks_first and not known.template


def _over(known: OllamaModel | None, lines: list[Line]) -> Iterator[Line]:
    """Yield the lines of a Modelfile, fitted to the parameters that a base in Ollama hands down."""
    inherited = known.parameters if known else {}
    limit = inherited.get("num_predict")
    limited = isinstance(limit, int) and limit > 0  # else it is none, or Ollama's -1 and -2
    for line in lines:
        sets_limit = line == LIMIT or (isinstance(line, Command) and line.key == "num_predict")
        if not (limited and sets_limit):
            yield line
    yield from (Command("PARAMETER", "0", key) for key in PENALTIES if inherited.get(key))


def _core(template: str) -> str:
    """Return a chat template without the comment that `convert` and `build` write before it."""
    return template.removeprefix(UNLIKE).lstrip("\n")


def _other_template() -> RuntimeFileError:
    return RuntimeFileError(
        "The adapter was trained with another chat template than the one in the base's GGUF, which "
        "Ollama would use.",
        "Merge it into its base instead (without --adapter-only): that GGUF holds the template.",
    )


def _named(file: Path, modelfile: Path) -> str:
    """Return a file as Ollama finds it from the Modelfile's folder."""
    folder = modelfile.resolve().parent
    file = file.resolve()
    return f"./{file.name}" if file.parent == folder else file.as_posix()
