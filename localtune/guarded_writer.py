"""A writer whose prompts and answers contain no control tokens of the base."""

from __future__ import annotations

import json

from localtune.control_tokens import ControlTokens
from localtune.in_view import Message
from localtune.writing import Schema, UnusableError, Writer


class GuardedWriter:
    """Another writer, whose prompts contain the control tokens of the template only.

    `control` are the tokens of the base that is tuned.
    """

    def __init__(self, writer: Writer, control: ControlTokens) -> None:
        self._writer, self._control = writer, control
        self.identity, self.parallel = writer.identity, writer.parallel

    def write(
        self,
        messages: list[Message],
        schema: Schema | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """Return the answer to a conversation, as Writer says. Raises UnusableError and its own."""
        plain = [
            {**message, "content": self._control.neutralise(message["content"])}
            for message in messages
        ]
        said = self._writer.write(
            plain, schema, max_tokens=max_tokens, temperature=temperature, seed=seed
        )
        if self._control.found_in(_unescaped(said)):
            raise UnusableError("The answer contains control tokens of the base; it was dropped.")
        return said


def _unescaped(text: str) -> str:
    """Return JSON without escapes, in which any character can be hidden; other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
