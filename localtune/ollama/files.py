"""A Modelfile -> the files by which Ollama runs a GGUF straight from the Hugging Face Hub.

There no Modelfile is read, but three files beside the GGUF: `template` (Go), `params` (JSON) and
`system`. Source: https://huggingface.co/docs/hub/ollama. Starts no runtime.
"""

from __future__ import annotations

import json

from localtune.ollama.create_request import create_request
from localtune.ollama.modelfile_grammar import parse


def ollama_files(modelfile: str) -> dict[str, str]:
    """Return {file: text} for a Modelfile's text; a command that isn't there has no file.

    Raises RuntimeFileError for what isn't a Modelfile, and for what Ollama would refuse of it.
    """
    asked = create_request(parse(modelfile), "", {})
    files: dict[str, str] = {name: asked[name] for name in ("template", "system") if name in asked}
    if "parameters" in asked:
        files["params"] = json.dumps(asked["parameters"], ensure_ascii=False, indent=1) + "\n"
    return files
