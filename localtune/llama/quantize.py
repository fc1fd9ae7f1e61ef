"""A GGUF -> the same model at a level, through llama.cpp's quantizer in a process of its own.

What a level comes to (types, bytes, what doesn't fit) is known before a byte is written: llama.cpp
is asked in a dry run. Knows nothing of build folders.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtune.errors import RuntimeFileError
from localtune.llama.imatrix_file import read_imatrix
from localtune.llama.quantize_dry_run import (
    TENSOR,
    DryRun,
    LevelSettings,
    Types,
    check_dry_run,
    check_imatrix,
    read_dry_run,
)
from localtune.machine.processes import describe_exit, module_command, module_environment
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path, try_to_write

ERROR = 4  # ggml_log_level
AGAIN = "Make or fetch the file again; `localtune build` makes its own anew."


def quantize(
    source: Path, out: Path, level: str, imatrix: Path | None = None, progress: Progress = Silent()
) -> DryRun:
    """Write a level ("Q4_K_M") of a GGUF and return what it came to. Raises as Quantizer does."""
    with Quantizer() as quantizer:
        return quantizer.write(source, out, LevelSettings(level, imatrix), progress)


class Quantizer:
    """The process that quantizes: started once, asked often, ended with the context."""

    def __init__(self) -> None:
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            module_command("localtune.llama.quantizer"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=module_environment(),
        )
        self._types: Types = {}

    def __enter__(self) -> Quantizer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def dry_run(self, source: Path, recipe: LevelSettings) -> DryRun:
        """Return what a level comes to; nothing is written.

        Raises RuntimeFileError for a file that is no GGUF, isn't whole or is quantized already,
        ConfigError for a level that needs an importance matrix, or one of another model.
        """
        return self._dry_run(source, recipe)[0]

    def write(
        self, source: Path, out: Path, recipe: LevelSettings, progress: Progress = Silent()
    ) -> DryRun:
        """Write a level and return what it came to. Raises as `plan` does, and DiskFullError.

        `out` appears when it is whole, and not at all where anything fails.
        """
        plan, request = self._dry_run(source, recipe)
        self._write({**request, "dry": False}, out, len(plan.tensors), progress)
        return plan

    def unpack(self, source: Path, out: Path, progress: Progress = Silent()) -> None:
        """Write a GGUF, quantized or not, with its weights in BF16. Raises as `write` does."""
        _check_gguf(source)
        request = {**_request(source, LevelSettings("BF16")), "dry": False, "requantize": True}
        self._write(request, out, 0, progress)

    def _write(self, request: dict[str, Any], out: Path, tensors: int, progress: Progress) -> None:
        with atomic_path(out) as temporary:
            written = self._run({**request, "target": str(temporary)})
            with progress.bar(f"quantize {request['level']}", tensors) as bar:
                try:
                    for line in written:
                        if found := TENSOR.match(line):
                            bar.advance(detail=found[2])
                except RuntimeFileError:
                    try_to_write(out.parent)  # was it for want of room?
                    raise

    def _dry_run(self, source: Path, recipe: LevelSettings) -> tuple[DryRun, dict[str, Any]]:
        """Return a plan and the request that carries it out, but for the file it goes to."""
        _check_gguf(source)
        matrix = read_imatrix(recipe.imatrix) if recipe.imatrix else {}
        recipe = recipe if matrix else replace(recipe, imatrix=None)
        request = _request(source, recipe)
        plan = read_dry_run(self._run(request), source, recipe, self._types)
        check_dry_run(plan, source, recipe, self._types)
        if recipe.imatrix:
            check_imatrix(recipe.imatrix, matrix, plan)
        return plan, request

    def _run(self, request: dict[str, Any]) -> Iterator[str]:
        """Yield llama.cpp's log, a line each; raise RuntimeFileError where it failed."""
        self._ask(request)
        line, errors = "", list[str]()
        for event in self._events():
            if "types" in event:
                self._types.update(event["types"])
            elif "failed" in event:
                if event["failed"]:
                    raise _failed(request, errors)
                return
            else:
                line += event["log"]
                errors += [event["log"].strip()] if event["level"] == ERROR else []
                *whole, line = line.split("\n")
                yield from whole
        raise _failed(request, self._last_words())

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise _failed(request, self._last_words()) from error

    def _events(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout
        for line in self._process.stdout:
            yield json.loads(line)

    def _last_words(self) -> list[str]:
        """Return why the process ended."""
        code = self._process.wait()
        self._complaints.seek(0)
        return [describe_exit(code, self._complaints.read().strip().rpartition("\n")[2])]


def _request(source: Path, recipe: LevelSettings) -> dict[str, Any]:
    """Return what asks the process for a dry run."""
    return {
        "source": str(source),
        "target": os.devnull,
        "level": recipe.level,
        "dry": True,
        "requantize": False,
        "imatrix": str(recipe.imatrix) if recipe.imatrix else None,
    }


def _check_gguf(file: Path) -> None:
    try:
        with file.open("rb") as data:
            magic = data.read(4)
    except OSError as error:
        raise RuntimeFileError(f"{file} can't be read: {error.strerror}.", AGAIN) from error
    if magic != b"GGUF":
        raise RuntimeFileError(f"{file} is not a GGUF.", "Give the GGUF of a model.")


def _failed(request: dict[str, Any], errors: list[str]) -> RuntimeFileError:
    why = f" ({'; '.join(filter(None, errors))})" if any(errors) else ""
    return RuntimeFileError(
        f"llama.cpp could not make {request['level']} of {request['source']}{why}.", AGAIN
    )
