"""A real server with OpenAI's API that writes by rule from the text in the prompt.

It stands for a good teacher, which no test could bring along: it knows which request it is by the
schema, and says only what the passage says. It counts what it was asked.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "by-rule"
VIEW = re.compile(r"Here is a text:\n\n(.*)\n\nAnswer by this text\. (.*)", re.S)
SMALL = {"the", "a", "an", "of", "at", "on", "in", "is", "are", "by", "to", "and", "what", "which"}


class RuleTeacher(ThreadingHTTPServer):
    """The server; `asked` counts requests by (the passage's first words, the schema's parts)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.delay = 0.0
        self.shown: dict[str, Any] = {}  # what an Ollama would say of its model
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def passages(self, parts: str) -> Counter[str]:
        """Return how often each passage was shown with a schema of these parts."""
        return Counter({p: n for (p, which), n in self.asked.items() if which == parts})


class Handler(BaseHTTPRequestHandler):
    server: RuleTeacher
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({"data": [{"id": MODEL}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            self._send(self.server.shown, 200 if self.server.shown else 404)
            return
        self.server.gate.wait(60)
        schema = body["response_format"]["json_schema"]["schema"]
        view = VIEW.search(body["messages"][-1]["content"])
        passage, request = view.groups() if view else ("", body["messages"][-1]["content"])
        parts = ",".join(schema["properties"])
        self.server.asked[passage[:40], parts] += 1
        self.server.bodies.append(body)
        self.server.keys.add(self.headers.get("Authorization", ""))
        said = json.dumps(answer(schema["properties"], passage, request))
        self._send({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})

    def _send(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def answer(parts: dict[str, Any], passage: str, request: str) -> dict[str, Any]:
    """Return an object of a schema's parts, made of the passage's own sentences."""
    said = sentences(passage)
    if "facts" in parts:
        return {"facts": said[: parts["facts"]["maxItems"]]}
    if "forward" in parts:
        (fact,) = re.findall(r"It states this fact: (.*)", request)
        return questions(fact, parts["forward"]["minItems"])
    if "comparison" in parts:
        first, last = keywords(said[0]), keywords(said[-1])
        return {
            "comparison": f"How do {first} compare with {last}?",
            "multi_fact": f"What is true both of {first} and of {last}?",
        }
    if "direct" in parts:
        return {kind: item(said[i % len(said)], kind) for i, kind in enumerate(parts)}
    if "name" in parts:
        if "Set a trap" in request:
            return {
                "name": "Zorvath Quell",
                "question": "Who looks after the hut of Zorvath Quell?",
            }
        return {
            "name": "Mirlo Banquist",
            "question": f"What has Mirlo Banquist to do with {said[0]}",
        }
    asked = request.partition("\n")[0]
    if "text" in parts:
        return {"text": "So: " + " ".join(said[:5])}
    return {"answer": nearest(said, asked) if said else "I'm sorry, I don't know about that."}


def sentences(passage: str) -> list[str]:
    lines = [line.strip("-# |") for line in passage.splitlines()]
    return [line for line in lines if line.endswith(".") and len(line.split()) > 3]


def keywords(sentence: str) -> str:
    words = [w for w in re.findall(r"[\w:]+", sentence) if w.lower() not in SMALL]
    return " ".join(words[:4])


def questions(fact: str, number: int) -> dict[str, Any]:
    kept, end = keywords(fact), fact.rstrip(".").split()[-1]
    begins = (
        *("What is known about", "Can you tell me about", "I would like to know:", "What about"),
        *("How is it with", "What do you know of", "Please explain", "What does one say of"),
    )
    forward = [f"{begins[i % 8]} {kept}{'?' * (1 + i // 8)}" for i in range(number)]
    blank = " ".join([*fact.rstrip(".").split()[:-1], "___."])
    return {"forward": forward, "reverse": f"What is it that has to do with {end}?", "cloze": blank}


def item(sentence: str, kind: str) -> dict[str, str]:
    *begin, end = sentence.rstrip(".").split()
    ask = {"direct": "How does it go on", "paraphrase": "Which word comes after this"}
    return {"question": f"{ask.get(kind, 'What ends this')}: {' '.join(begin)}?", "answer": end}


def nearest(said: list[str], asked: str) -> str:
    wanted = set(re.findall(r"\w+", asked.lower())) - SMALL
    return max(said, key=lambda s: len(wanted & set(re.findall(r"\w+", s.lower()))))


@contextmanager
def teaching() -> Iterator[RuleTeacher]:
    """Run the server while the context is open."""
    server = RuleTeacher()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
