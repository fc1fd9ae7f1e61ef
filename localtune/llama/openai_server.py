"""The server for machines without llama-server: llama-cpp-python's own, as `localtune ask` answers.

A process of its own (`python -m`), which deploy/serve.py starts. Four things are otherwise than in
`python -m llama_cpp.server` (0.3.36): the model answers under its name, where that server names the
path or whatever a client asked for; a new request waits, where it would cut off an answer that is
being streamed; prompts and sampling are those of `localtune ask`; and a gate in front refuses what
nobody should send (request_gate.py).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from llama_cpp.llama_chat_format import (
    ChatFormatterResponse,
    Jinja2ChatFormatter,
    register_chat_format,
)
from llama_cpp.server.app import create_app
from llama_cpp.server.settings import ModelSettings, ServerSettings

from localtune.llama.engine import EngineSplitter
from localtune.llama.header import Header
from localtune.llama.request_gate import Gate, Rules
from localtune.llama.schema_check import complaint_about_schemas
from localtune.machine.cores import llama_threads

KEY = "LLAMA_API_KEY"  # as llama-server has it: a command line shows to everyone on the machine
FORMAT = "localtune"
# Of a request's body: one that fills the context fits, also where JSON escapes every character.
MIN_BODY_BYTES, BYTES_PER_TOKEN = 1 << 20, 32
GRACE = 5  # seconds that open streams are given at the end


def serve(
    gguf: Path, name: str, host: str, port: int, context: int, key: str, adapter: str | None = None
) -> None:
    """Serve a GGUF, or a GGUF adapter upon it, until the process is told to end.

    Raises RuntimeFileError.
    """
    header = EngineSplitter(gguf).header()
    register_chat_format(FORMAT)(chat_format(header))
    settings = ModelSettings(
        model=str(gguf),
        lora_path=adapter,
        model_alias=name,
        chat_format=FORMAT,
        n_ctx=context,
        n_threads=llama_threads(header.parameters),
        n_threads_batch=llama_threads(header.parameters),
        n_gpu_layers=-1,  # all of them, as llama.cpp has it; without a GPU this means nothing
        flash_attn=True,  # llama.cpp's choice for `ask`: another would end ties otherwise
        logits_all=False,  # else context x vocabulary floats: 2.5 GB for 4,096 tokens of Qwen
        verbose=False,
    )
    limits = ServerSettings(host=host, port=port, api_key=key or None, interrupt_requests=False)
    app = create_app(server_settings=limits, model_settings=[settings])
    app.add_api_route("/health", lambda: {"status": "ok"})
    most = max(MIN_BODY_BYTES, BYTES_PER_TOKEN * context)
    uvicorn.run(
        Gate(app, Rules(name, key, most, complaint_about_schemas)),
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=GRACE,
    )


def chat_format(header: Header) -> Callable[..., ChatFormatterResponse]:
    """Return what renders a conversation with a GGUF's own template, tools included.

    The library's own way leaves BOS away where the template has none; the runtime puts it in front
    where the file says so, and so does llama-server.
    """
    jinja = Jinja2ChatFormatter(header.template, header.eos, header.bos)
    begins = header.bos if header.adds_bos else ""

    def rendered(**asked: Any) -> ChatFormatterResponse:
        made = jinja(**asked)
        prompt = made.prompt if made.prompt.startswith(begins) else begins + made.prompt
        # An empty stop text would end every answer before its first word.
        return dataclasses.replace(made, prompt=prompt, stop=[header.eos] if header.eos else [])

    return rendered


def main() -> None:
    """Read the command line that deploy/serve.py writes; the key comes from the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--lora")
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ctx-size", type=int, required=True)
    given = parser.parse_args()
    key = os.environ.get(KEY, "")
    where = given.host, given.port
    serve(given.model, given.alias, *where, given.ctx_size, key, given.lora)


if __name__ == "__main__":
    main()
