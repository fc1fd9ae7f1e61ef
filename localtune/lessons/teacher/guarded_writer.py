"""A writer whose prompts and answers contain no control tokens of the base."""

from __future__ import annotations

from typing import Any

from localtune.control_tokens import ControlTokens
from localtune.llama.writing import Completion, UnusableError, Writer
from localtune.prompts import Message


class GuardedWriter:
    """Another writer, whose prompts contain the control tokens of the template only.

    `control` are the tokens of the base that is tuned.
    """

    def __init__(self, writer: Writer, control: ControlTokens) -> None:
        self._writer, self._control = writer, control
        self.identity, self.parallel = writer.identity, writer.parallel

    def write(self, messages: list[Message], **options: Any) -> Completion:
        """Return the answer to a conversation, as Writer says. Raises UnusableError and its own."""
        plain = [
            {**message, "content": self._control.neutralise(message["content"])}
            for message in messages
        ]
        completion = self._writer.write(plain, **options)
        if self._control.found_in(completion.text):
            raise UnusableError("The answer contains control tokens of the base; it was dropped.")
        return completion
