"""What stands around a question: the passage it is about, or the system prompt.

With the passage in view lessons are made, distilled and compared; the student is never asked so.
Knows nothing of files or models.
"""

from __future__ import annotations

Message = dict[str, str]


def in_view(messages: list[Message], passage: str) -> list[Message]:
    """Return the conversation with the passage in front of its first question."""
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    asked = f"Here is a text:\n\n{passage}\n\nAnswer by this text. {messages[first]['content']}"
    return [*messages[:first], {"role": "user", "content": asked}, *messages[first + 1 :]]


def with_system(messages: list[Message], system: str) -> list[Message]:
    """Return the conversation behind a system prompt, unless it has one or there is none."""
    if not system or (messages[:1] and messages[0]["role"] == "system"):
        return messages
    return [{"role": "system", "content": system}, *messages]
