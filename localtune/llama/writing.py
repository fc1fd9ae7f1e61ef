"""What writes lessons and exams: a model that is given a conversation and returns a text.

A GGUF in llama.cpp (llama/writer.py) or a server (lessons/teacher/server.py); lessons/ knows
neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from localtune.errors import LocaltuneError
from localtune.prompts import Message


class UnusableError(LocaltuneError):
    """One text cannot be used: the prompt did not fit, or the reply holds no text."""


class NotUsableError(LocaltuneError):
    """Too little of what a model wrote can be kept."""


class Completion(NamedTuple):
    """A text, and whether the model ended it (False: it was cut off at `max_tokens`).

    `first` has the likeliest first tokens, as text, with the natural logarithms of their
    probabilities; it is empty where they were not asked for or the model does not tell them.
    """

    text: str
    ended: bool
    first: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Request:
    """One text that is asked for.

    It ends at the first of the `stop` strings, which is not part of it. Temperature 0 takes the
    likeliest token each time. `top` is how many likeliest first tokens are returned.
    """

    number: int
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    top: int = 0


class Writer(Protocol):
    """A model that is asked for texts, by several threads at once.

    `identity` names the model: texts of another one are made anew. `parallel` is how many requests
    it takes at once.
    """

    identity: str
    parallel: int

    def write(
        self,
        messages: list[Message],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        stop: tuple[str, ...] = (),
        top: int = 0,
    ) -> Completion:
        """Return the answer to a conversation, and its `top` likeliest first tokens.

        Raises UnusableError for this request, ServerError and RuntimeFileError where further
        requests would fail too.
        """
        ...
