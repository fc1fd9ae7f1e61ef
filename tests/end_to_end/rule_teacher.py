"""A real server with OpenAI's API that writes by rule from the text in the prompt.

It replaces a good teacher, which no test could bring along. The answer says only what the text in
the prompt says: pairs in lines "Q: …" and "A: …", questions in lines "Q: …", or one sentence. It
also lists models as an Ollama does, and counts what it was asked.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prompt_parts import parts_of

from localtune.lessons.grounding import content

MODEL = "by-rule"
NOT_STATED = "not stated"
# How a question can begin; which of them are used depends on the request.
BEGINS = (
    *("What is known about", "Can you tell me about", "What about", "How about"),
    *("Please explain, what of", "Any news about", "Would you look up", "Who knows about"),
    *("Somebody wonders about", "Could you help with", "Does anybody recall", "Is there word of"),
)
ENDS = ("", " please", " these days", " right now", " by the way")
ABOUT = frozenset(word for part in (*BEGINS, *ENDS) for word in content(part))
DETAIL = re.compile(
    r"(?:[£$€]\s?)?\d+(?:[.,:]\d+)*(?: [^\W\d_]{3,})?|(?!The )(?:[A-Z]\w+ )+[A-Z]\w+"
)


class RuleTeacher(ThreadingHTTPServer):
    """The server; `asked` counts the requests by (prompt, seed).

    `tags` are the rows of an Ollama's list of models, `shown` what it says of each by name.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[tuple[str, int]] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.paths: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.tags: list[dict[str, Any]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self.useless = False
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def prompts(self, kind: str) -> set[str]:
        """Return the different prompts of a kind: "pairs", "questions", "answer" or "plain"."""
        return {prompt for prompt, _ in self.asked if parts_of(prompt)[0] == kind}

    def repeated(self) -> int:
        """Return how many requests were sent that had been sent before."""
        return sum(number - 1 for number in self.asked.values())


class Handler(BaseHTTPRequestHandler):
    server: RuleTeacher
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.paths[self.path] += 1
        if self.path == "/api/tags":
            self._send({"models": self.server.tags})
            return
        names = [row["name"] for row in self.server.tags] or [MODEL]
        self._send({"data": [{"id": name} for name in names]})

    def do_POST(self) -> None:
        self.server.paths[self.path] += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            shown = self.server.shown.get(body["model"])
            self._send(shown or {}, 200 if shown else 404)
            return
        self.server.gate.wait(60)
        prompt = body["messages"][-1]["content"]
        self.server.asked[prompt, body.get("seed", 0)] += 1
        self.server.bodies.append(body)
        self.server.keys.add(self.headers.get("Authorization", ""))
        said = "I would rather talk about the weather." if self.server.useless else answer(prompt)
        self._send({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})

    def _send(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def answer(prompt: str) -> str:
    """Return what the text in a prompt says of what is asked."""
    kind, shown, task = parts_of(prompt)
    if kind == "pairs":
        return "\n".join(f"Q: {question}\nA: {said}" for question, said in pairs(shown, task))
    if kind == "questions":
        return "\n".join(f"Q: {question}" for question in reworded(shown))
    if kind == "judge":
        return "yes" if is_right(shown, task) else "no"
    return nearest(shown, task.splitlines()[-1]) if kind == "answer" else nearest("", "")


def is_right(shown: str, task: str) -> bool:
    """Whether a text has an answer and most words of its question; or two questions share most.

    Without an answer: whether it has all words of the question.
    """
    question, _, said = task.removeprefix("Question: ").partition("\nAnswer: ")
    asked, known = set(content(question)) - ABOUT, set(content(shown)) - ABOUT
    if not said:  # whether the text answers the question
        return asked <= known
    return set(content(said)) <= known and 2 * len(asked & known) >= len(asked)


def pairs(shown: str, task: str) -> list[tuple[str, str]]:
    """Return as many questions as a task wants, each about a detail of the text."""
    wanted = re.search(r"\b(\d+)\b[^.]*?\bquestions\b", task)
    number = int(wanted[1]) if wanted else 3
    details = [(said, detail) for said in statements(shown) for detail in details_of(said)]
    found, first = [], start(task)
    for i in range(number if details else 0):
        said, detail = details[(first + i) % len(details)]
        found.append((question(said, detail, first + i // len(details)), detail))
    return found


def reworded(shown: str) -> list[str]:
    """Return three questions with the meaning of the one that is shown."""
    asked = next(line for line in shown.splitlines() if line.endswith("?")).partition(": ")[2]
    subject = asked.rstrip("?")
    for begin in BEGINS:
        subject = subject.removeprefix(begin)
    for end in filter(None, ENDS):
        subject = subject.removesuffix(end)
    first = start(shown)
    return [worded(subject.strip(), first + i) for i in range(3)]


def start(task: str) -> int:
    """Return a number that differs between requests."""
    return int(hashlib.sha256(task.encode()).hexdigest()[:4], 16)


def worded(subject: str, number: int) -> str:
    """Return one of many questions about a subject."""
    return f"{BEGINS[number % len(BEGINS)]} {subject}{ENDS[number % len(ENDS)]}?"


def statements(shown: str) -> list[str]:
    """Return the sentences, list items and table rows of a text without its headings."""
    lines = [line.strip("-* |") for line in shown.splitlines() if not line.startswith("#")]
    found = [said for line in lines for said in re.split(r"(?<=\.)\s+", line)]
    return [said for said in found if len(content(said)) > 2 and details_of(said)]


def details_of(said: str) -> list[str]:
    """Return the numbers and names of a statement."""
    return list(dict.fromkeys(match.strip() for match in DETAIL.findall(said)))


def question(said: str, detail: str, number: int) -> str:
    """Return a question about a statement without one of its details."""
    rest = said.replace(detail, " ").replace("|", " ").replace("The ", "the ").rstrip(".")
    return worded(" ".join(word.strip(";,:") for word in rest.split()), number)


def nearest(shown: str, asked: str) -> str:
    """Return the statement that holds most of a question; it must hold the question's names."""
    wanted = set(content(asked)) - ABOUT
    names = wanted & {word.lower() for word in re.findall(r"(?<=\w )[A-Z]\w+", asked)}
    best, share = "", 0.0
    for said in statements(shown):
        held = set(content(said))
        if names <= held and len(wanted & held) > share * len(wanted):
            best, share = said, len(wanted & held) / len(wanted)
    return best if share > 0.5 else NOT_STATED


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
