"""A GGUF -> the Modelfile that `ollama create` reads. Starts no runtime.

Facts of the grammar: parser/parser.go and template/template.go of Ollama 0.33. A value ends with
its line or with three quotation marks, and knows no escapes.
"""

from __future__ import annotations

from pathlib import Path

from localtune.runtimes.llama import Header, read_header
from localtune.runtimes.template import Pieces, derive
from localtune.workspace import write_text

LONGEST_CONTEXT = 4096  # what Ollama gives a model on a machine without a large GPU
NO_TEMPLATE = """\
# No TEMPLATE: the model's chat template does more than a Go template can be derived for. It lies
# in the GGUF, and Ollama 0.30 or later renders it from there; use no older one."""
TEMPLATE = """\
# For Ollama before 0.30; a later one may render the chat template in the GGUF. Both are alike."""
SETTINGS = """\
# Always the likeliest word, none made less likely for having been said: as the exam was asked."""


def write_modelfile(gguf: Path, modelfile: Path) -> None:
    """Write a Modelfile beside a GGUF of the same folder. Raises RuntimeFileError."""
    header = read_header(gguf)
    pieces = derive(header.template, header.bos, header.eos)
    write_text(modelfile, modelfile_text(gguf.name, header, pieces))


def modelfile_text(file: str, header: Header, pieces: Pieces | None) -> str:
    """Return the text of a Modelfile for a file in its own folder."""
    context = min(header.context or LONGEST_CONTEXT, LONGEST_CONTEXT)
    lines = [
        f"# ollama create {header.name or 'model'} -f Modelfile",
        f"FROM ./{file}",
        "",
        *(_template(pieces, header) if pieces else [NO_TEMPLATE]),
        "",
        *[f"PARAMETER stop {_quoted(stop)}" for stop in stops(header, pieces)],
        SETTINGS,
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        "# Tokens of question, conversation and answer together.",
        f"PARAMETER num_ctx {context}",
    ]
    return "\n".join(lines) + "\n"


def _template(pieces: Pieces, header: Header) -> list[str]:
    # The runtime puts BOS in front itself where the file says so; twice would be another prompt.
    text = pieces.go(without=header.bos if header.adds_bos else "")
    return [TEMPLATE, f'TEMPLATE """{text}"""']


def stops(header: Header, pieces: Pieces | None) -> list[str]:
    """Return the texts at which an answer ends: the end-of-turn token, and the next turn."""
    after = pieces.around["assistant"][1].strip() if pieces else ""
    found = [header.eos, after]
    return [text for text in dict.fromkeys(found) if text and '"' not in text]


def _quoted(text: str) -> str:
    return f'"{text}"'
