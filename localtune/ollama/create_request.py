"""A Modelfile's commands -> the request that makes the model in Ollama. Sends nothing.

What `ollama create` would ask of the server for the same Modelfile; a text that a Modelfile can't
hold is in its command all the same, as this takes commands. Sources: parser/parser.go, api/types.go
(Options) and server/create.go of Ollama 0.33.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from localtune.errors import RuntimeFileError
from localtune.ollama.modelfile_grammar import Command

INTS = (
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "seed"),
    *("num_predict", "top_k", "repeat_last_n"),
)
FLOATS = (
    *("top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty"),
    "frequency_penalty",
)
BOOLS = ("use_mmap",)
LISTS = ("stop",)
IGNORED = (
    *("penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"),
    *("mirostat", "mirostat_tau", "mirostat_eta"),
)
INT = re.compile(r"[+-]?[0-9]+")
FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
SINGLE = ("TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES")
OLDEST = (0, 30, 0)  # the first that renders the chat template in a GGUF


@dataclass(frozen=True)
class Blob:
    """A file that the server must have: its name for the server, and its digest "sha256:…"."""

    name: str
    digest: str


def blob(file: PurePath, sha256: str) -> Blob:
    """Return a file's blob, with a name that Ollama takes: no path, no colon, no backslash."""
    name = file.name.encode("utf-8", "replace").decode()
    return Blob(re.sub(r"[:\\]", "-", name), f"sha256:{sha256}")


def create_request(
    commands: Iterable[Command], model: str, blobs: Mapping[str, Blob]
) -> dict[str, Any]:
    """Return the body of POST /api/create.

    `blobs` are the files that values of FROM and ADAPTER mean; another value of FROM is a model
    that the server has. Raises RuntimeFileError for a PARAMETER that Ollama doesn't know, or with
    a value of another type, and for DRAFT.
    """
    request: dict[str, Any] = {"model": model, "stream": True}
    for command in commands:
        name, value = command.name, command.value
        if name in SINGLE:
            request[name.lower()] = value
        elif name == "FROM" and value not in blobs:
            request["from"] = value
        elif name in ("FROM", "ADAPTER"):
            _add_file(request, name, blobs[value])
        elif name == "LICENSE":
            request.setdefault("license", []).append(value)
        elif name == "MESSAGE":
            request.setdefault("messages", []).append({"role": command.key, "content": value})
        elif name == "PARAMETER":
            _set(request.setdefault("parameters", {}), command.key, value)
        else:
            raise RuntimeFileError(f"`localtune install` knows no {name}.", "Use `ollama create`.")
    return {key: value for key, value in request.items() if value not in ("", {})}


def _add_file(request: dict[str, Any], name: str, file: Blob) -> None:
    if name == "ADAPTER":  # the last one counts
        request["adapters"] = {file.name: file.digest}
    else:
        request.setdefault("files", {})[file.name] = file.digest


def _set(parameters: dict[str, Any], key: str, text: str) -> None:
    """Set a parameter; a list grows, of other values the last one counts."""
    if key in LISTS:
        parameters.setdefault(key, []).append(text)
    elif key in INTS and INT.fullmatch(text):
        parameters[key] = int(text)
    elif key in FLOATS and FLOAT.fullmatch(text):
        parameters[key] = float(text)
    elif key in BOOLS and text in TRUE + FALSE:
        parameters[key] = text in TRUE
    elif key in (*INTS, *FLOATS, *BOOLS):
        kind = "whole number" if key in INTS else "number" if key in FLOATS else "true or false"
        raise RuntimeFileError(
            f"The Modelfile's PARAMETER {key} is {text!r}, which is no {kind}.", "Correct it."
        )
    elif key not in IGNORED:
        known = ", ".join(sorted((*INTS, *FLOATS, *BOOLS, *LISTS)))
        raise RuntimeFileError(
            f"Ollama knows no PARAMETER {key!r}.", f"Its names are written small; it knows {known}."
        )


def oldest_version(request: Mapping[str, Any]) -> tuple[tuple[int, int, int], str]:
    """Return the oldest Ollama that makes of a request what is meant, and why that one."""
    wanted = read_version(request.get("requires", ""))
    if wanted and wanted > OLDEST:
        return wanted, "the Modelfile REQUIRES that"
    return OLDEST, "older versions don't render the chat template in the GGUF"


def read_version(text: str) -> tuple[int, int, int] | None:
    """Return "0.33.0-rc2" as (0, 33, 0); None for what is no version, and for 0.0.0.

    An Ollama that people built themselves says 0.0.0, and may be as new as any.
    """
    found = re.match(r"v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", text)
    version = (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
    return version if any(version) else None
