"""A GGUF that writes: free text, or JSON that a grammar holds to a schema. Knows no lessons.

llama.cpp runs in the child process of llama.py. A request that crashes it twice is unusable, like
one whose answer can't be read; several of them in a row end the writing.
"""

from __future__ import annotations

from pathlib import Path

from localtune.cores import chosen_threads
from localtune.in_view import Message
from localtune.runtimes.llama import CrashError, Loaded
from localtune.writing import Schema, UnusableError

MAX_CRASHED_REQUESTS = 3  # in a row


class LocalWriter(Loaded):
    """A loaded GGUF; the same seed gives the same text."""

    parallel = 1

    def __init__(self, gguf: Path, identity: str, context: int = 4096) -> None:
        """Load a file; `context` in tokens, or what it was trained on if less.

        Raises RuntimeFileError.
        """
        super().__init__("engine_writer:Writer", gguf, context, chosen_threads())
        self.identity = identity
        self._crashed_requests = 0

    def write(
        self,
        messages: list[Message],
        schema: Schema | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """Return the answer to a conversation, as Writer says.

        Raises CrashError where llama.cpp crashes at MAX_CRASHED_REQUESTS in a row.
        """
        try:
            text: str = self.call("write", messages, schema, max_tokens, temperature, seed)
        except CrashError as error:
            self._crashed_requests += 1
            if error.killed or self._crashed_requests == MAX_CRASHED_REQUESTS:
                raise
            raise UnusableError(error.message, error.hint) from error
        self._crashed_requests = 0
        return text
