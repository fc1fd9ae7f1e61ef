"""The ASGI gate in front of a model server: who may ask, how much, and with which fields.

Everything that can be refused is refused before the model's own server sees the request: the origin
and the key by the headers alone, before any byte of the body is read. Knows nothing of llama.cpp.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

# A web page on this machine, by its origin.
LOCAL_ORIGIN = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
SAMPLING = {"temperature": 0, "repeat_penalty": 1}  # unless the request says otherwise
OPEN_PATHS = ("/health",)  # no key needed, as in llama-server
PATHS = (*OPEN_PATHS, "/v1/models", "/v1/completions", "/v1/chat/completions")
# Fields that can leave no token to choose, on which llama.cpp ends the process.
REFUSED_FIELDS = ("grammar", "logit_bias", "min_tokens")
# Within these the sampler's numbers stay finite.
RANGES = {"temperature": (0.001, 100.0), "repeat_penalty": (0.01, 100.0)}

Message = MutableMapping[str, Any]
Row = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """What a gate lets through: `key` "" for any local page, `max_bytes` of a request's body.

    `name` is the model's, `complaint` says what is wrong with a request's other fields, or "".
    """

    name: str
    key: str
    max_bytes: int
    complaint: Callable[[Row], str]


class RefusedError(Exception):
    """A request that the gate answers itself, with an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gate:
    """An ASGI application that passes on only requests that keep the rules."""

    def __init__(self, app: App, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request or pass it on; a POST's body is read and checked first."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            check_headers(scope, self._rules.key)
            if scope["method"] == "POST":
                body = await read_body(scope, receive, self._rules.max_bytes)
                receive = replay(self._request(body), receive)
        except RefusedError as refused:
            kind = "invalid_request_error"
            error = {"message": str(refused), "type": kind, "param": None, "code": None}
            await JSONResponse({"error": error}, refused.status)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _request(self, body: bytes) -> bytes:
        """Return a request with the model's name and the usual sampling. Raises RefusedError."""
        request = parse(body)
        if complaint := complaint_about_fields(request) or self._rules.complaint(request):
            raise RefusedError(400, complaint)
        if "max_completion_tokens" in request:  # the newer name, which the library doesn't know
            request.setdefault("max_tokens", request["max_completion_tokens"])
        return json.dumps({**SAMPLING, **request, "model": self._rules.name}).encode()


def check_headers(scope: Message, key: str) -> None:
    """Check path, origin and key. Raises RefusedError."""
    if scope["type"] != "http" or scope["path"] not in PATHS:
        raise RefusedError(404, f"This server has {', '.join(PATHS)} and nothing else.")
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if not key:
        if origin is not None and not LOCAL_ORIGIN.fullmatch(origin):
            raise RefusedError(403, "Web pages of other sites need an API key.")
        return
    # A browser asks with OPTIONS, without the key, whether it may send it.
    if scope["path"] in OPEN_PATHS or scope["method"] == "OPTIONS":
        return
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not secrets.compare_digest(given, key.encode()):
        raise RefusedError(401, "Invalid API key.")


async def read_body(scope: Message, receive: Receive, most: int) -> bytes:
    """Return a request's body of at most `most` bytes. Raises RefusedError for a longer one."""
    too_long = RefusedError(413, f"The request is longer than {most:,} bytes.")
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > most:
        raise too_long
    body, more = bytearray(), True
    while more:
        part = await receive()
        if part["type"] != "http.request":
            raise RefusedError(400, "The client closed the connection.")
        body += part.get("body", b"")
        more = part.get("more_body", False)
        if len(body) > most:
            raise too_long
    return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body once and then what the connection gives."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read


def parse(body: bytes) -> Row:
    """Return the JSON object of a body; every number in it is finite. Raises RefusedError."""
    try:
        request = json.loads(body)
        json.dumps(request, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "The request is not valid JSON, or nested too deeply.") from error
    if not isinstance(request, dict):
        raise RefusedError(400, "The request is not a JSON object.")
    return request


def complaint_about_fields(request: Row) -> str:
    """Return what is wrong with a request's sampling fields, "" for nothing."""
    for field in REFUSED_FIELDS:
        if request.get(field) not in (None, 0, {}):
            return f"This server doesn't support {field!r}."
    for field, (least, most) in RANGES.items():
        value = request.get(field)
        if isinstance(value, int | float) and value != 0 and not least <= value <= most:
            return f"{field!r} must be 0, or between {least:g} and {most:g}."
    return ""
