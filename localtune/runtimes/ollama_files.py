"""A Modelfile -> the files by which Ollama runs a GGUF straight from the Hugging Face Hub.

There no Modelfile is read, but three files beside the GGUF: `template` (Go), `params` (JSON) and
`system`. Source: https://huggingface.co/docs/hub/ollama. Starts no runtime.
"""

from __future__ import annotations

import json

from localtune.runtimes.modelfile_grammar import Command, parse

NAMES = {"TEMPLATE": "template", "SYSTEM": "system"}
MANY = ("stop",)  # parameters that may stand in several lines


def ollama_files(modelfile: str) -> dict[str, str]:
    """Return {file: text} for a Modelfile's text; a command that isn't there has no file.

    Raises RuntimeFileError for what isn't a Modelfile.
    """
    commands = parse(modelfile)
    # As in Ollama, the last of several counts, and an empty one is none.
    found = {NAMES[command.name]: command.value for command in commands if command.name in NAMES}
    if parameters := _parameters(commands):
        found["params"] = json.dumps(parameters, ensure_ascii=False, indent=1) + "\n"
    return {name: text for name, text in found.items() if text}


def _parameters(commands: list[Command]) -> dict[str, object]:
    found: dict[str, object] = {}
    for command in commands:
        if command.name == "PARAMETER" and command.key in MANY:
            found[command.key] = [*_texts(found.get(command.key)), command.value]
        elif command.name == "PARAMETER":
            found[command.key] = _value(command.value)
    return found


def _texts(value: object) -> list[str]:
    return value if isinstance(value, list) else []


def _value(text: str) -> object:
    """Return a number or a truth value where the text is one, as JSON writes them."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
