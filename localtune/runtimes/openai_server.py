"""The server for machines without llama-server: llama-cpp-python's own, as `localtune ask` answers.

A process of its own (`python -m`), which serving.py starts. Four things are otherwise than in
`python -m llama_cpp.server` (0.3.36): the model answers under its name, where that server names the
path or whatever a client asked for; a new request waits, where it would cut off an answer that is
being streamed; prompts and sampling are those of `localtune ask`; and without a key, pages of the
web that are open in a browser can't ask.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
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
from starlette.responses import PlainTextResponse

from localtune.runtimes.header import Header
from localtune.runtimes.llama import read_header, threads_for

KEY = "LLAMA_API_KEY"  # as llama-server has it: a command line shows to everyone on the machine
FORMAT = "localtune"
SAMPLING = {"temperature": 0, "repeat_penalty": 1}  # where a request says nothing
NEAR = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")  # a page's origin
GRACE = 5  # seconds that open streams are given at the end

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def serve(
    gguf: Path, name: str, host: str, port: int, context: int, key: str, adapter: str | None = None
) -> None:
    """Serve a GGUF, or a GGUF adapter upon it, until the process is told to end.

    Raises RuntimeFileError.
    """
    header = read_header(gguf)
    register_chat_format(FORMAT)(chat_format(header))
    settings = ModelSettings(
        model=str(gguf),
        lora_path=adapter,
        model_alias=name,
        chat_format=FORMAT,
        n_ctx=context,
        n_threads=threads_for(header),
        n_threads_batch=threads_for(header),
        n_gpu_layers=-1,  # all of them, as llama.cpp has it; without a GPU this means nothing
        flash_attn=True,  # llama.cpp's choice for `ask`: another would end ties otherwise
        logits_all=False,  # else context x vocabulary floats: 2.5 GB for 4,096 tokens of Qwen
        verbose=False,
    )
    limits = ServerSettings(host=host, port=port, api_key=key or None, interrupt_requests=False)
    app = create_app(server_settings=limits, model_settings=[settings])
    app.add_api_route("/health", lambda: {"status": "ok"})
    named = Renamed(app, name)
    uvicorn.run(
        named if key else NearPages(named),
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


class NearPages:
    """An ASGI application that web pages of this machine may ask, and no others.

    The library lets every page that is open in a browser read what the model says of the documents;
    llama-server has --cors-origins for this.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse a request that a browser sends for a page from elsewhere."""
        origin = dict(scope.get("headers", ())).get(b"origin")
        if origin is None or NEAR.fullmatch(origin):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("Only with an API key.", 403)(scope, receive, send)


class Renamed:
    """An ASGI application whose requests all ask for one model, whatever name they give it."""

    def __init__(self, app: App, name: str) -> None:
        self._app, self._name = app, name

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand on a request; the body of a POST is read to its end and written anew."""
        if scope["type"] == "http" and scope["method"] == "POST":
            receive = await self._rewritten(receive)
        await self._app(scope, receive, send)

    async def _rewritten(self, receive: Receive) -> Receive:
        body, more = b"", True
        while more:
            part = await receive()
            if part["type"] != "http.request":  # the client has gone
                break
            body, more = body + part.get("body", b""), part.get("more_body", False)
        waiting = [{"type": "http.request", "body": self._asked(body), "more_body": False}]

        async def read() -> Message:
            return waiting.pop() if waiting else await receive()

        return read

    def _asked(self, body: bytes) -> bytes:
        """Return a request with the model's name; what isn't JSON is the server's to refuse."""
        try:
            asked = json.loads(body)
        except ValueError:
            return body
        if not isinstance(asked, dict):
            return body
        if "max_completion_tokens" in asked:  # its newer name, which the library doesn't know
            asked.setdefault("max_tokens", asked["max_completion_tokens"])
        return json.dumps({**SAMPLING, **asked, "model": self._name}).encode()


def main() -> None:
    """Read the command line that serving.py writes; the key comes from the environment."""
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
