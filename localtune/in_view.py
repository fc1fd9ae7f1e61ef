"""A question with the passage it is about in view: how lessons are made, distilled and compared.

The student is never asked so. Knows nothing of files or models.
"""

from __future__ import annotations

Message = dict[str, str]


def in_view(messages: list[Message], passage: str) -> list[Message]:
    """Return the conversation with the passage in front of its first question."""
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    asked = f"Here is a text:\n\n{passage}\n\nAnswer by this text. {messages[first]['content']}"
    return [*messages[:first], {"role": "user", "content": asked}, *messages[first + 1 :]]
