"""A GGUF -> the `llama-server` command line that serves it with its own chat template.

Source of the options: tools/server/README.md of llama.cpp, of August 2026.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from localtune.errors import ConfigError, RuntimeFileError
from localtune.machine.child import started

PROGRAM = "llama-server"
LONGEST_CONTEXT = 4096  # tokens, where none are asked for: more costs memory that few need


def llama_command(gguf: Path, name: str, port: int, context: int, limit: int = 0) -> list[str]:
    """Return program and arguments.

    `context` is in tokens of question and answer together, `limit` the tokens of the longest
    answer, 0 for as many as fit.
    """
    return [
        *(PROGRAM, "--model", str(gguf), "--alias", name),
        *("--jinja", "--ctx-size", str(context), "--port", str(port)),
        *(("--n-predict", str(limit)) if limit > 0 else ()),
        # As the exam was asked: always the likeliest word.
        *("--temp", "0", "--repeat-penalty", "1"),
    ]


def context_for(asked: int, trained: int) -> int:
    """Return the tokens of a context: those asked for, else what the model was trained on.

    `trained` 0 means that the file doesn't say. Raises ConfigError for more than that.
    """
    if trained and asked > trained:
        raise ConfigError(
            f"--context is {asked:,}, but the model was trained on {trained:,} tokens at most.",
            f"Use --context {trained} or less.",
        )
    return asked or min(trained or LONGEST_CONTEXT, LONGEST_CONTEXT)


def is_there() -> bool:
    """Whether `llama-server` can be started."""
    return shutil.which(PROGRAM) is not None


def start(command: list[str]) -> None:
    """Run the server until it ends, or this process is interrupted. Raises RuntimeFileError."""
    try:
        with started(command) as server:
            server.wait()
    except KeyboardInterrupt:
        return  # how a server is meant to end
    except OSError as error:
        raise RuntimeFileError(
            f"{PROGRAM} can't be started: {error.strerror}.",
            "Install llama.cpp (https://github.com/ggml-org/llama.cpp), or use `localtune serve`.",
        ) from error
    if server.returncode:
        raise RuntimeFileError(
            f"{PROGRAM} ended with code {server.returncode}.",
            "Its own message stands above; another --port may help.",
        )
