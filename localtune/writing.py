"""What writes lessons and exams: something that is given a conversation and gives a text.

A base in llama.cpp (runtimes/writer.py) or a server (runtimes/teacher.py); lessons/ knows neither.
"""

from __future__ import annotations

from typing import Any, Protocol

from localtune.errors import LocaltuneError
from localtune.in_view import Message

Schema = dict[str, Any]


class UnusableError(LocaltuneError):
    """One text can't be used: it was cut off, isn't what was asked for, or didn't fit."""


class Writer(Protocol):
    """A model that is asked for texts.

    `identity` names the very model: another one's lessons are made anew. `parallel` is how many
    conversations it takes at once.
    """

    identity: str
    parallel: int

    def write(
        self,
        messages: list[Message],
        schema: Schema | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """Return the answer to a conversation: JSON of the schema, where one is given.

        Raises UnusableError for this one, ServerError and RuntimeFileError where going on is no
        use.
        """
        ...
