"""What the server refuses before the model sees it, over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tiny_server"]
KEY = "right-key"
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello."}]
FOREIGN = {"Origin": "https://example.org"}
LOOP = {"$ref": "#"}
DEMANDED = {"type": "function", "function": {"name": "f"}}
CRASHES = [
    {"grammar": "root ::= root"},
    {"grammar": ""},
    {"response_format": {"type": "json_object", "schema": LOOP}},
    {"response_format": {"type": "json_object", "schema": {"enum": []}}},
    {"response_format": {"type": "json_object", "schema": {"const": "\0"}}},
    {"response_format": {"type": "json_object", "schema": {"type": "array", "minItems": 10**9}}},
    {"response_format": {"type": "json_object", "schema": {"pattern": "^a$"}}},
    {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": LOOP}}],
        "tool_choice": DEMANDED,
    },
    {"functions": [{"name": "f", "parameters": LOOP}], "function_call": {"name": "f"}},
    {"response_format": {"type": "json_object"}, "min_tokens": 99},
    {"response_format": {"type": "json_object"}, "logit_bias": {"1": -1e39}},
    {"temperature": -1},
    {"temperature": 1e-30},
    {"repeat_penalty": float("nan")},
    {"repeat_penalty": float("inf")},
]


@pytest.fixture(scope="module")
def guarded(tiny_gguf: Path) -> Iterator[int]:
    """The server with the built-in base and a key; its port."""
    with socket.socket() as probed:
        probed.bind(("127.0.0.1", 0))
        port = int(probed.getsockname()[1])
    command = [sys.executable, "-m", "localtune.llama.openai_server", "--model", str(tiny_gguf)]
    command += ["--alias", "tiny", "--host", "127.0.0.1", "--port", str(port), "--ctx-size", "256"]
    process = subprocess.Popen(command, env={**os.environ, "LLAMA_API_KEY": KEY})
    while True:
        assert process.poll() is None
        try:
            assert sent(port, "GET", "/health")[0] == 200  # open without the key
            break
        except OSError:
            time.sleep(0.1)
    yield port
    process.kill()
    process.wait()


def sent(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
    connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
    answered = connection.getresponse()
    return answered.status, answered.read().decode()


def first_line(port: int, head: str, body: bytes = b"") -> str:
    """Send the head of a request and part of its body, and wait for the answer's first line."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return connection.makefile().readline().strip()


@pytest.mark.slow
@pytest.mark.parametrize("given", ["", "Authorization: Bearer wrong\n"])
def test_the_key_is_checked_before_the_body_arrives(guarded: int, given: str) -> None:
    head = f"POST {CHAT} HTTP/1.1\nHost: x\n{given}Content-Length: 100000"
    assert first_line(guarded, head) == "HTTP/1.1 401 Unauthorized"


@pytest.mark.slow
def test_a_body_that_is_too_long_is_refused_before_it_has_arrived(guarded: int) -> None:
    head = f"POST {CHAT} HTTP/1.1\nHost: x\nAuthorization: Bearer {KEY}\n"
    announced = first_line(guarded, head + "Content-Length: 9999999999")
    assert announced == "HTTP/1.1 413 Request Entity Too Large"
    chunk = b"%x\r\n" % (2 << 20) + b" " * (2 << 20) + b"\r\n"  # and no last chunk
    grown = first_line(guarded, head + "Transfer-Encoding: chunked", chunk)
    assert grown == "HTTP/1.1 413 Request Entity Too Large"


@pytest.mark.slow
@pytest.mark.parametrize("fields", CRASHES, ids=lambda fields: json.dumps(fields)[:60])
def test_what_would_end_the_process_is_refused_and_the_next_is_answered(
    tiny_server: int, fields: dict[str, Any]
) -> None:
    for path, ask in ((CHAT, {"messages": HELLO}), ("/v1/completions", {"prompt": "Hello."})):
        if path == CHAT or "grammar" in fields:
            status, said = sent(tiny_server, "POST", path, {**ask, "max_tokens": 3, **fields})
            assert status == 400 and json.loads(said)["error"]["message"], said
    assert sent(tiny_server, "POST", CHAT, {"messages": HELLO, "max_tokens": 2})[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"[" * 100_000, b"[]", b"no", b'{"n": 1e999}', b"\xff", b"{"])
def test_what_is_no_json_object_is_an_error_of_the_client(tiny_server: int, body: bytes) -> None:
    assert sent(tiny_server, "POST", CHAT, body)[0] == 400


@pytest.mark.slow
def test_only_the_documented_paths_are_served(tiny_server: int) -> None:
    detokenize = sent(tiny_server, "POST", "/extras/detokenize", {"tokens": [10**8]})
    assert detokenize[0] == 404
    for path in ("/docs", "/openapi.json", "/v1/embeddings", "//v1/models", "/v1/models/"):
        assert sent(tiny_server, "GET", path)[0] == 404
    assert sent(tiny_server, "GET", "/v1/models")[0] == 200


@pytest.mark.slow
def test_a_foreign_page_is_refused_without_a_key_and_served_with_the_right_one(
    tiny_server: int, guarded: int
) -> None:
    body = {"messages": HELLO, "max_tokens": 2}
    for method in ("POST", "OPTIONS"):
        assert sent(tiny_server, method, CHAT, body, FOREIGN)[0] == 403
    ask = {"Access-Control-Request-Method": "POST", **FOREIGN}
    assert sent(guarded, "OPTIONS", CHAT, None, ask)[0] == 200  # browsers ask without the key
    assert sent(guarded, "POST", CHAT, body, FOREIGN)[0] == 401
    keyed = {"Authorization": f"Bearer {KEY}", **FOREIGN}
    assert sent(guarded, "POST", CHAT, body, keyed)[0] == 200


@pytest.mark.slow
def test_schemas_that_can_be_followed_still_are(tiny_server: int) -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "maxLength": 20}}}
    wanted = {"type": "json_object", "schema": {**schema, "required": ["pattern"]}}
    body = {"messages": HELLO, "max_tokens": 60, "response_format": wanted, "temperature": 0}
    status, said = sent(tiny_server, "POST", CHAT, body)
    answer = json.loads(json.loads(said)["choices"][0]["message"]["content"])
    assert status == 200 and set(answer) == {"pattern"}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"pattern": "^a"}}}]
    assert sent(tiny_server, "POST", CHAT, {**body, "tools": tools})[0] == 200  # only read
