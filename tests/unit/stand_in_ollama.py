"""A stand-in for an Ollama server: real HTTP, the documented API, its errors, and its accidents.

What it says is taken from docs/api.md and server/routes.go of Ollama 0.33. It keeps blobs and
manifests in a folder as Ollama does. Prompts are made as 0.30 and later make them: by TEMPLATE, by
a Go template that it takes for the GGUF's (template/template.go), else by the GGUF's own Jinja.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gguf import GGUFReader

Row = dict[str, Any]
PIECE = 1 << 16
PROMPT = "{{ .Prompt }}"
# Chat templates that Ollama knows, and the Go template that it takes for one that is like it; it
# knows 37. This one is of template/index.json.
KNOWN = {
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}": "chatml",
}
ALIKE = 100  # edits from a known template, below which Ollama takes one for it


def chatml(messages: list[Row]) -> str:
    """Render messages as ChatML does, up to where the answer begins."""
    turns = (f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return "".join(turns) + "<|im_start|>assistant\n"


def edits(one: str, other: str) -> int:
    """Return the edit distance of two texts; ALIKE or more where it is at least that."""
    if abs(len(one) - len(other)) >= ALIKE:
        return ALIKE
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], n
        for at, theirs in enumerate(other, 1):
            cheapest = min(row[at] + 1, row[at - 1] + 1, diagonal + (letter != theirs))
            diagonal, row[at] = row[at], cheapest
    return row[-1]


def detected(jinja: str) -> str:
    """Return the name of the Go template that Ollama takes for a chat template, "" for none."""
    return next((name for known, name in KNOWN.items() if edits(jinja, known) < ALIKE), "")


class Gguf:
    """What llama-server reads in a GGUF to render a chat; nothing in a file that is damaged."""

    def __init__(self, file: Path) -> None:
        try:
            self._reader: GGUFReader | None = GGUFReader(file)
        except (ValueError, IndexError):
            self._reader = None
        self.jinja = str(self._value("tokenizer.chat_template", ""))

    def render(self, messages: list[Row], tools: list[Row], think: bool | None) -> str:
        """Render a chat by the Jinja in the file, as transformers renders it."""
        from transformers.utils.chat_template_utils import render_jinja_template

        thinking: Row = {} if think is None else {"enable_thinking": think}
        (text,), _ = render_jinja_template(
            [messages], tools or None, chat_template=self.jinja, add_generation_prompt=True,
            bos_token=self._token("bos"), eos_token=self._token("eos"), **thinking,
        )  # fmt: skip
        return str(text)

    def _token(self, name: str) -> str:
        number = self._value(f"tokenizer.ggml.{name}_token_id", None)
        return "" if number is None else str(self._value("tokenizer.ggml.tokens", "", number))

    def _value(self, key: str, default: Any, at: int | None = None) -> Any:
        field = self._reader.get_field(key) if self._reader else None
        if field is None:
            return default
        return field.contents() if at is None else field.contents(at)


def digest_of(model: Row) -> str:
    """Return a stand-in for the digest of a manifest: it changes with the model."""
    return hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()


class StandIn:
    """A server on a free port of this machine, and what it was asked.

    `accidents` are called with the handler before a request that they are named for ("POST
    /api/create") is answered, one a request; one that returns True has answered itself.
    """

    def __init__(self, store: Path, prompt: Callable[[list[Row]], str] | None = None) -> None:
        self.store, self.prompt = store, prompt
        self.version = "0.33.0"
        self.answer = "Ruben Okafor."
        self.shows_prompts = True
        self.models: dict[str, Row] = {}
        self.asked: list[str] = []
        self.bodies: dict[str, list[Row]] = {}
        self.received = 0  # bytes of uploads
        self.accidents: dict[str, list[Callable[[Handler], bool | None]]] = {}
        (store / "blobs").mkdir(parents=True, exist_ok=True)
        handler = type("Bound", (Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def blob(self, digest: str) -> Path:
        return self.store / "blobs" / digest.replace(":", "-")

    def rendered(self, model: Row, messages: list[Row], body: Row) -> str:
        """Return the prompt that a model is shown; the test's own `prompt` goes first."""
        if self.prompt:
            return self.prompt(messages)
        if template := model.get("template", ""):
            return str(template).replace(PROMPT, messages[-1]["content"])
        files = [self.blob(digest) for digest in model.get("files", {}).values()]
        gguf = Gguf(files[0]) if files else None
        if gguf is None or not gguf.jinja or detected(gguf.jinja):
            return chatml(messages)
        return gguf.render(messages, body.get("tools", []), body.get("think"))

    def keep(self, name: str, request: Row) -> None:
        """Add a model to the list, and its manifest to the store."""
        self.models[name] = request
        model, _, tag = name.partition(":")
        manifest = self.store / "manifests" / "registry.ollama.ai" / "library" / model / tag
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")

    def uploads(self) -> int:
        return sum(line.startswith("POST /api/blobs") for line in self.asked)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    owner: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        line = f"{self.command} {self.path}"
        self.owner.asked.append(line)
        kind = " ".join(line.split("/sha256:")[:1])
        waiting = self.owner.accidents.get(kind, [])
        if waiting and waiting.pop(0)(self):
            self.close_connection = True
            return
        {
            "GET /api/version": self._version,
            "GET /api/tags": self._tags,
            "HEAD /api/blobs": self._has_blob,
            "POST /api/blobs": self._take_blob,
            "POST /api/create": self._create,
            "POST /api/chat": self._chat,
            "DELETE /api/delete": self._delete,
        }.get(kind, self._nothing)()

    do_GET = do_HEAD = do_POST = do_DELETE = _handle

    def say(self, status: int, body: Row | None = None) -> None:
        """Answer with JSON."""
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def say_lines(self, rows: list[Row], pause: float = 0) -> None:
        """Answer with JSON lines under HTTP 200, in chunks as they are made."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for row in rows:
            data = json.dumps(row).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            time.sleep(pause)
        self.wfile.write(b"0\r\n\r\n")

    def read_body(self) -> Row:
        body: Row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.bodies.setdefault(self.path, []).append(body)
        return body

    def reset(self) -> None:
        """Break the connection off as a server that dies does."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _nothing(self) -> None:
        self.say(404)

    def _version(self) -> None:
        self.say(200, {"version": self.owner.version})

    def _tags(self) -> None:
        rows = [
            {"name": name, "model": name, "digest": digest_of(model)}
            for name, model in self.owner.models.items()
        ]
        self.say(200, {"models": rows})

    def _has_blob(self) -> None:
        self.say(200 if self.owner.blob(self.path.rpartition("/")[2]).exists() else 404)

    def _take_blob(self) -> None:
        digest = self.path.rpartition("/")[2]
        left, whole = int(self.headers["Content-Length"]), hashlib.sha256()
        partial = self.owner.blob(digest).with_suffix(".partial")
        with partial.open("wb") as out:
            while left and (piece := self.rfile.read(min(left, PIECE))):
                left -= len(piece)
                self.owner.received += len(piece)
                whole.update(piece)
                out.write(piece)
        found = f"sha256:{whole.hexdigest()}"
        if left or found != digest:
            partial.unlink()
            error = f"digest mismatch, expected {digest!r}, got {found!r}"
            self.say(400, {"error": error})
            return
        partial.rename(self.owner.blob(digest))
        self.say(201)

    def _create(self) -> None:
        body = self.read_body()
        files = body.get("files", {})
        if not files and "from" not in body:
            self.say(400, {"error": "neither 'from' or 'files' was specified"})
        elif any(not self.owner.blob(digest).exists() for digest in files.values()):
            self.say(400, {"error": "blob not found"})
        else:
            name = body["model"]
            self.owner.keep(name if ":" in name else f"{name}:latest", body)
            steps = [
                "parsing GGUF",
                f"using existing layer {next(iter(files.values()), 'sha256:')}",
            ]
            self.say_lines([{"status": s} for s in (*steps, "writing manifest", "success")])

    def _chat(self) -> None:
        body = self.read_body()
        model = self.owner.models.get(body["model"])
        if model is None:
            self.say(404, {"error": f"model '{body['model']}' not found"})
            return
        messages = [*model.get("messages", []), *body["messages"]]
        if model.get("system") and body["messages"][0]["role"] != "system":
            messages = [{"role": "system", "content": model["system"]}, *messages]
        reply: Row = {"model": body["model"], "created_at": "2026-11-21T12:00:00Z"}
        if body.get("_debug_render_only") and self.owner.shows_prompts:
            text = self.owner.rendered(model, messages, body)
            self.say(200, {**reply, "_debug_info": {"rendered_template": text}})
            return
        said = {"role": "assistant", "content": self.owner.answer}
        self.say(200, {**reply, "message": said, "done": True, "done_reason": "stop"})

    def _delete(self) -> None:
        name = self.read_body()["model"]
        if self.owner.models.pop(name, None) is None:
            self.say(404, {"error": f"model '{name}' not found"})
        else:
            self.say(200)
