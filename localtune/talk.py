"""Using a build: one answer, a conversation, a server. Always with the GGUF's own chat template."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from localtune.errors import RuntimeFileError
from localtune.opening import open_build, shipped

if TYPE_CHECKING:
    from localtune.runtimes.llama import Model
    from localtune.steps import Build

Message = dict[str, str]
ROOM = 1024  # tokens of context for a conversation
LONGEST = 256  # tokens of one answer


def answer(folder: Path, question: str, level: str = "") -> tuple[Path, str]:
    """Ask a build's shipped file one question; return the file and the answer."""
    build = open_build(folder)
    gguf = shipped(build, level)
    from localtune.upon_base import load  # only once there is a file to load

    model = load(build, gguf, build.config.grade.context)
    asked = model.ask([{"role": "user", "content": question}], max_tokens=LONGEST)
    return gguf, asked.text


def converse(
    folder: Path, level: str, read: Callable[[], str], write: Callable[[str], None]
) -> None:
    """Answer what `read` returns until it is empty; the whole conversation stays in view."""
    build = open_build(folder)
    gguf = shipped(build, level)
    from localtune.upon_base import load  # only once there is a file to load

    model, said = load(build, gguf, ROOM), list[Message]()
    while question := read().strip():
        said.append({"role": "user", "content": question})
        said = _that_fits(model, said)
        text = model.ask(said, max_tokens=LONGEST).text
        write(text + "\n")
        said.append({"role": "assistant", "content": text})


def _that_fits(model: Model, said: list[Message]) -> list[Message]:
    """Drop the oldest turns until the rest and an answer fit into the context."""
    while len(said) > 1 and len(model.token_ids(model.render(said))) > ROOM - LONGEST:
        said = said[2:]
    return said


def _files(build: Build, gguf: Path) -> list[str]:
    """Return how llama-cpp-python's server is told what to load."""
    if not build.config.export.adapter_only:
        return ["--model", str(gguf)]
    from localtune.upon_base import base_gguf

    return ["--model", str(base_gguf(build)), "--lora_path", str(gguf)]


def serve(folder: Path, level: str, host: str, port: int) -> None:
    """Run llama-cpp-python's own server on a build's shipped file, until it is stopped."""
    build = open_build(folder)
    gguf = shipped(build, level)
    if not all(map(importlib.util.find_spec, ("uvicorn", "fastapi", "starlette_context"))):
        raise RuntimeFileError(
            "The server's libraries are not installed.", 'pip install "llama-cpp-python[server]"'
        )
    sys.stderr.write(f"{gguf.name} at http://{host}:{port}/v1 (Ctrl-C ends it)\n")
    command = [
        sys.executable,
        "-m",
        "llama_cpp.server",
        *_files(build, gguf),
        "--model_alias",
        gguf.stem,
        "--host",
        host,
        "--port",
        str(port),
        "--n_ctx",
        str(ROOM),
        "--verbose",
        "False",
    ]
    server = subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        if server.wait():
            raise RuntimeFileError(
                f"The server ended with code {server.returncode}.",
                "Its own message stands above; another --port may help.",
            )
    except KeyboardInterrupt:
        server.wait(10)  # the terminal's Ctrl-C has reached it too
    finally:
        server.terminate()
