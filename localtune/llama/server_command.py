"""A GGUF -> the `llama-server` command line that serves it with its own chat template.

Source of the options: tools/server/README.md of llama.cpp, of August 2026.
"""

from __future__ import annotations

from pathlib import Path

from localtune.errors import ConfigError

PROGRAM = "llama-server"
LONGEST_CONTEXT = 4096  # tokens, where none are asked for: more costs memory that few need


def llama_command(gguf: Path, name: str, port: int, context: int) -> list[str]:
    """Return program and arguments; `context` is in tokens of question and answer together."""
    return [
        *(PROGRAM, "--model", str(gguf), "--alias", name),
        *("--jinja", "--ctx-size", str(context), "--port", str(port)),
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
