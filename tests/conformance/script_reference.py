"""Where llama.cpp's own converters lie, with which the tests compare: the same on every machine.

LOCALTUNE_LLAMA_CPP names a folder vendor/llama.cpp of llama-cpp-python's unpacked sdist; where it
isn't set, the sdist is fetched once through pip (77 MB; 80 MB stay in the cache, as its
vocabularies are kept too).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from localtune.errors import ExportError
from localtune.export.llama_source import VARIABLE, fetch_script


@cache
def reference() -> Path | None:
    """Return the folder of convert_hf_to_gguf.py, convert_lora_to_gguf.py, gguf-py/ and models/.

    models/ holds ggml-vocab-*.gguf with their .inp and .out files. None where there is no network;
    raises ExportError where LOCALTUNE_LLAMA_CPP is set to another folder.
    """
    try:
        return fetch_script(also=("models/",))
    except ExportError:
        if os.environ.get(VARIABLE):
            raise
        return None
