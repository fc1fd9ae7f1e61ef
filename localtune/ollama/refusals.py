"""What an Ollama server says when it refuses -> what that means, and what to do."""

from __future__ import annotations

import re

from localtune.errors import ServerError

ANYWAY = "`localtune ask`, `chat` and `serve` run the file without Ollama."
UNKNOWN = r"un(?:supported|known) (?:model )?architecture"
COPIES = r"failed to validate GGUF|llama-quantize"
DIED = r"process has terminated|process no longer running|error loading model|unable to load model"
# What the server's text holds, what is wrong, what to do. The first that fits counts.
KNOWN = (
    (
        "no space left|not enough (?:disk )?space|disk quota",
        "The server's disk is full",
        "Making a model needs two to three times its file. Free some space there; an Ollama that "
        "is started again removes what isn't used.",
    ),
    (
        UNKNOWN,
        "This Ollama doesn't know the model's architecture",
        f"Update Ollama. {ANYWAY}",
    ),
    (
        COPIES,  # printed for a full disk as well
        "Ollama could not copy the file into its store",
        "There are two usual causes: its disk is full (making a model needs two to three times "
        "the file), or it doesn't know the model's architecture. Ollama's log says which: free "
        f"some space there, or update Ollama. {ANYWAY}",
    ),
    (
        "digest mismatch",
        "What arrived isn't the file that was sent",
        "Run the same command again, while nothing writes to the file.",
    ),
    (
        "(?:Entity|Content|Payload) Too Large",
        "What stands between here and Ollama takes no file as large",
        "Raise its limit (client_max_body_size in nginx), or run this on the server's machine.",
    ),
    (
        "LoRA adapters are no longer supported",
        "This Ollama takes no adapters",
        "Ollama 0.34.1 and later makes no model with an ADAPTER. Build again without "
        f"--adapter-only: a merged model needs no adapter. {ANYWAY}",
    ),
    (
        "invalid model name",
        "Ollama refuses the name, or the model behind FROM",
        "Choose another --name, and check the FROM line of the Modelfile.",
    ),
    (
        r"template error|template: ",
        "Ollama refuses the TEMPLATE of the Modelfile",
        "Correct it, or remove it: the GGUF has its own chat template.",
    ),
    (
        "requires more (?:system |gpu )?memory",
        "The model doesn't fit into the server's memory",
        "Install a smaller level, such as --level Q4_K_M, or lower num_ctx in the Modelfile.",
    ),
    (
        DIED,
        "Ollama has the model, but can't run it",
        f"Its log holds the cause: an architecture it doesn't know, or too little memory. {ANYWAY}",
    ),
)


def refusal(url: str, text: str, status: int) -> ServerError:
    """Return the error for a server's text; `status` is the HTTP status it came with.

    That of an error in mid-stream is the status of what came before it, which says nothing.
    """
    for pattern, what, hint in KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return ServerError(f"{what} ({text}).", hint)
    said = (text or "no reason given").rstrip(".")
    code = f" (HTTP {status})" if status >= 300 else ""
    return ServerError(
        f"Ollama at {url} refused: {said}{code}.",
        "Its log may say more.",
    )
