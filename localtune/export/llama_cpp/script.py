"""A model of any architecture llama.cpp knows -> GGUF, by llama.cpp's own convert_hf_to_gguf.py.

The script runs as a process of its own, offline, on links to a model's safetensors and texts: never
on pickles, never with code that a model brings. Knows nothing of our families or of build folders.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from localtune.errors import DiskFullError, ExportError
from localtune.export.llama_cpp.process import LOG, run
from localtune.export.llama_cpp.source import NO_ROOM, SCRIPT, fetch_script
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path, temporary_path, write_json

__all__ = ["convert_with_script", "fetch_script"]

# What the script may read of a model. Anything else, such as .bin, .pt or .py, might be run.
DATA = (".safetensors", ".json", ".jsonl", ".jinja", ".model", ".txt", ".md", ".tiktoken")
# JSON in which transformers looks for no code, and which may be large.
_NO_CONFIG = ("tokenizer.json", "vocab.json", ".safetensors.index.json")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_PACKAGES = {"google": "protobuf"}  # module -> package, where the names differ
_MISSING = re.compile(
    r"No module named '(\w+)"
    r"|requires the (protobuf|sentencepiece|tiktoken) library"
    r"|need to have (sentencepiece|tiktoken)"
    r"|pip install (mistral-common)",
    re.IGNORECASE,
)
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b")
_LEVEL = re.compile(r"(ERROR|CRITICAL):([\w.-]+:)?\s*")


def convert_with_script(
    model: Path,
    out: Path,
    kind: str,
    name: str,
    progress: Progress = Silent(),
    *,
    offline: bool = False,
) -> None:
    """Write a model as GGUF with llama.cpp's own script, whole or not at all.

    `model` is a folder of transformers' format, `kind` one of bf16, f16, f32 (of the matrices),
    `name` the general.name of the GGUF. With `offline` the script must be in the cache already.
    Raises DiskFullError, and ExportError: after it, if the script ran, all it said lies beside
    `out` as NAME.gguf.log.
    """
    _check(model)
    source, out = fetch_script(progress, offline=offline), out.absolute()
    progress.note(f"llama.cpp's own script converts {model.resolve().name}")
    with temporary_path(out) as work:
        staged = work / "from" / (model.resolve().name or "model")
        own_code = _stage(model, staged)
        options = ["--outfile", "out.gguf", "--outtype", kind, "--model-name", name]
        command = [sys.executable, str(source / SCRIPT), str(staged), *options]
        status = run(command, work, _environment(source))
        made, kept = work / "out.gguf", out.with_name(f"{out.name}.log")
        if status or not made.is_file():
            (work / LOG).replace(kept)
            raise _failed(model, staged, status, kept, own_code)
        with atomic_path(out) as temporary:
            made.replace(temporary)
        kept.unlink(missing_ok=True)  # of an earlier try


def _check(model: Path) -> None:
    for pattern in ("config.json", "*.safetensors"):
        if not list(model.glob(pattern)):
            raise ExportError(
                f"The model {model} holds no {pattern.removeprefix('*.')}.",
                "Give a folder saved by transformers' save_pretrained; pickles are never read.",
            )


def _stage(model: Path, staged: Path) -> bool:
    """Fill a folder with links to what the script may read; say if the model brings code.

    The folder keeps the model's name, from which the script may guess its authorship.
    """
    own_code = False
    for file in [file for file in sorted(model.rglob("*")) if file.is_file()]:
        name = file.relative_to(model)
        if file.suffix in DATA and not any(part.startswith(".") for part in name.parts):
            target = staged / name
            target.parent.mkdir(parents=True, exist_ok=True)
            own_code |= _stage_file(file, target)
    return own_code


def _stage_file(file: Path, target: Path) -> bool:
    """Link a file, or write it without the code it names, and say if it named any.

    The script asks transformers to trust a tokenizer's code, which "auto_map" names: where there is
    no such name, there is nothing to trust.
    """
    named: list[Any] = []

    def without(read: dict[str, Any]) -> dict[str, Any]:
        named.extend(read[key] for key in ("auto_map",) if key in read)
        return {key: value for key, value in read.items() if key != "auto_map"}

    if file.suffix == ".json" and not file.name.endswith(_NO_CONFIG):
        try:
            config = json.loads(file.read_bytes(), object_hook=without)
        except (ValueError, RecursionError):
            return False  # no JSON: of no use to the script
        if named:
            write_json(target, config)
            return True
    target.symlink_to(file.resolve())
    return False


def _environment(source: Path) -> dict[str, str]:
    # The script's own gguf-py, as the gguf of the registry knows fewer architectures. Nothing is
    # compiled beside the script, where no sum would guard it.
    paths = os.pathsep.join([str(source), str(source / "gguf-py")])
    return {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", **_OFFLINE}


def _failed(
    model: Path, staged: Path, status: int, log: Path, own_code: bool
) -> ExportError | DiskFullError:
    text = log.read_text(encoding="utf-8", errors="replace").replace(str(staged), str(model))
    said = meaningful_line(text)
    if NO_ROOM.search(said):
        return DiskFullError(f"There is no room left in {log.parent} ({said}).", "Free some space.")
    if status < 0:
        said = f"signal {-status} ended it{', as when memory is short' * (status == -9)}"
    return ExportError(
        f"llama.cpp's script can't convert {model}: {said.rstrip('.')}.",
        f"{_advice(text, own_code)} All it said is in {log}.",
    )


def _advice(log: str, own_code: bool) -> str:
    if missing := _MISSING.search(log[max(log.find("Traceback"), 0) :]):
        module = next(filter(None, missing.groups())).lower()
        return f"Install what it needs: pip install {_PACKAGES.get(module, module)}."
    if own_code:
        return "The model brings code of its own, which is never run: that may be why."
    if meaningful_line(log).startswith("FileNotFoundError"):
        return "The place the model was first published at may hold that file: put it beside these."
    return "This llama-cpp-python may not know such a model, or not the installed transformers."


def meaningful_line(log: str) -> str:
    """Return the line of a log that says what went wrong: the last exception, error, or line."""
    lines = [line for line in log.splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    logged = [line for line in lines if _LEVEL.match(line)]
    said = (raised or logged or lines or ["it said nothing"])[-1]
    return _LEVEL.sub("", said.strip(), count=1)[:400]
