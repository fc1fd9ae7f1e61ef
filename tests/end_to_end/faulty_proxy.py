"""A proxy in front of a real server that does to some requests what networks and servers do.

Faults are given as a list, one a request of POST, "" for none; after the last all is well.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RETRIED = ("kill", "late", "500", "503", "429", "half")  # what another try gets over
SPOILT = ("cut", "garbage", "empty", "list")  # answers that are whole but of less or no use
FAULTS = (*RETRIED, *SPOILT)


class FaultyProxy(ThreadingHTTPServer):
    """The proxy; `done` lists what became of each request, `late` is in seconds."""

    daemon_threads = True

    def __init__(self, upstream: int, faults: Sequence[str], late: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.faults, self.late = upstream, list(faults), late
        self.done: list[tuple[str, float]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_fault(self) -> str:
        with self.lock:
            fault = self.faults.pop(0) if self.faults else ""
            self.done.append((fault, time.monotonic()))
            return fault


class Handler(BaseHTTPRequestHandler):
    server: FaultyProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(*self._upstream(b""))

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have gone
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.next_fault()
        if fault == "kill":  # RST, as of a process that was killed
            option = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            self.connection.close()
            self.close_connection = True
        elif fault == "late":
            time.sleep(self.server.late)
            self.close_connection = True
        elif fault in ("500", "503"):
            self._send(int(fault), b"<html>upstream is away</html>")
        elif fault == "429":
            self._send(429, b'{"error": {"message": "slow down"}}', retry="1")
        else:
            self._send(*self._upstream(body), fault=fault)

    def _upstream(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        sent = {"Content-Type": "application/json"}
        if "Authorization" in self.headers:
            sent["Authorization"] = self.headers["Authorization"]
        connection.request(self.command, self.path, body or None, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _send(self, status: int, data: bytes, fault: str = "", retry: str = "") -> None:
        if fault in SPOILT and status == 200:
            data = _spoilt(data, fault)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if retry:
            self.send_header("Retry-After", retry)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == "half" else data)
        if fault == "half":  # the connection ends before the body does
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


def _spoilt(data: bytes, fault: str) -> bytes:
    """Return an answer whose text was cut off at a limit, is nonsense, or is no text."""
    if fault == "empty":
        return b"{}"
    answer = json.loads(data)
    choice = answer["choices"][0]
    text = choice["message"]["content"]
    if fault == "cut":
        choice["message"]["content"], choice["finish_reason"] = text[: len(text) // 2], "length"
    else:
        choice["message"]["content"] = ["other"] if fault == "list" else "Sure! Anything else?"
    return json.dumps(answer).encode()


@contextmanager
def between(upstream: int, faults: Sequence[str], late: float = 3.0) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a port of this machine while the context is open."""
    proxy = FaultyProxy(upstream, faults, late)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
