"""Where llama.cpp's own converters lie, with which the tests compare: the same on every machine.

LOCALTUNE_LLAMA_CPP names a folder vendor/llama.cpp of llama-cpp-python's unpacked sdist; where it
isn't set, the sdist is fetched once through pip (77 MB; 80 MB stay in the cache, as its
vocabularies are kept too).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from localtune.errors import ExportError
from localtune.export.llama_cpp.source import VARIABLE, fetch_script

HERE = Path(__file__).parent


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


class Script:
    """One of llama.cpp's converters in a process of its own, for many models."""

    def __init__(self, source: Path, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / program), str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"},
        )

    def convert(self, base: Path, out: Path, kind: str = "bf16", **job: Any) -> Path:
        """Convert a base or an adapter of it, or fail the test with what the script said."""
        assert self._process.stdin and self._process.stdout
        job = {**job, "kind": kind, "base": str(base), "out": str(out)}
        self._process.stdin.write(json.dumps(job, default=str) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("@@"):
                error = json.loads(line[2:]).get("error")
                assert not error, error
                return out
        raise AssertionError("the script's process has ended")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def running(program: str) -> Iterator[Script]:
    """Yield a converter for fixtures, or skip the test where it can't be fetched."""
    source = reference()
    if source is None:
        pytest.skip("llama.cpp's converter can't be fetched: no network")
    with closing(Script(source, program)) as script:
        yield script
