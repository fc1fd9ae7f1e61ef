"""A writer that answers by functions of a test, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from prompt_parts import parts_of

from localtune.llama.writing import Completion, UnusableError
from localtune.progress import Silent
from localtune.prompts import Message

Reply = Callable[[str, str], str]  # (the text that is shown, the task) -> the answer


def silent(shown: str, task: str) -> str:
    return ""


class ScriptedWriter:
    """Answers each kind of request by its function; "" is a request that cannot be used."""

    parallel = 1

    def __init__(
        self,
        pairs: Reply = silent,
        questions: Reply = silent,
        answer: Reply = silent,
        judge: Reply = lambda shown, task: "yes",
    ) -> None:
        self.identity = "scripted"
        self.replies = {"pairs": pairs, "questions": questions, "answer": answer, "judge": judge}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.conversations: list[list[Message]] = []
        self.ended = True
        self._lock = threading.Lock()

    def prompts(self, kind: str) -> list[str]:
        return [prompt for prompt, _ in self.asked if parts_of(prompt)[0] == kind]

    def write(self, messages: list[Message], **options: Any) -> Completion:
        prompt = messages[-1]["content"]
        with self._lock:
            self.asked.append((prompt, options))
            self.conversations.append(messages)
        kind, shown, task = parts_of(prompt)
        text = self.replies[kind](shown, task)
        if not text:
            raise UnusableError("The server's answer holds no text.")
        return Completion(text, self.ended)


class Heard(Silent):
    """Keeps the notes and warnings of a stage."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.warned: list[str] = []

    def note(self, text: str) -> None:
        self.noted.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def lines(*pairs: tuple[str, str]) -> str:
    """Return pairs as a good writer writes them."""
    return "\n".join(f"Q: {question}\nA: {answer}" for question, answer in pairs)
