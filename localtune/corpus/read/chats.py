"""Chats a person brings (JSONL) -> messages to learn from, checked line by line.

Three shapes are known: OpenAI ("messages" of role and content), ShareGPT ("conversations" of from
and value) and Alpaca ("instruction", "input", "output").
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Message = dict[str, str]
_SHAPES = ("messages", "conversations", "instruction")
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
}
_MOST_WRONG = 1000  # lines of a file that are told one by one


@dataclass(frozen=True)
class Chats:
    """The chats of a file, and why its other lines can't be used ("line 7: …")."""

    chats: list[list[Message]]
    wrong: list[str]


def are_chats(text: str) -> bool:
    """Whether the first object of a JSONL file is of one of the three shapes."""
    for line in text.split("\n", 20)[:20]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        return isinstance(value, dict) and any(shape in value for shape in _SHAPES)
    return False


def read_chats(text: str) -> Chats:
    """Read every line; a wrong one is kept with its number and what is wrong with it."""
    chats, wrong = list[list[Message]](), list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            chats.append(_messages(json.loads(line)))
        except RecursionError:
            wrong.append(f"line {number}: nested too deeply")
        except ValueError as error:  # json's errors are ValueErrors too
            wrong.append(f"line {number}: {error}")
    if len(wrong) > _MOST_WRONG:
        wrong[_MOST_WRONG:] = [f"and {len(wrong) - _MOST_WRONG:,} more lines"]
    return Chats(chats, wrong)


def _messages(value: Any) -> list[Message]:
    """Return the messages of one line. Raises ValueError with what is wrong."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    messages = list(_turns(value))
    roles = [message["role"] for message in messages]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    expected = ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or spoken != expected:
        raise ValueError(f"user and assistant must take turns, but the roles are {roles}")
    return messages


def _turns(value: dict[str, Any]) -> Iterator[Message]:
    if "instruction" in value:
        asked = [_text(value.get(key) or "", key) for key in ("instruction", "input")]
        if value.get("system"):
            yield {"role": "system", "content": _text(value["system"], "system")}
        yield {"role": "user", "content": "\n\n".join(filter(None, asked))}
        yield {"role": "assistant", "content": _said(value.get("output"), "output")}
        return
    listed = value.get("messages", value.get("conversations"))
    if not isinstance(listed, list):
        raise ValueError('none of "messages", "conversations", "instruction"')
    for turn in listed:
        if not isinstance(turn, dict):
            raise ValueError("a message that is not an object")
        role = turn.get("role", turn.get("from"))
        if not isinstance(role, str) or role not in _ROLES:
            raise ValueError(f"unknown role {str(role)[:40]!r}")
        yield {"role": _ROLES[role], "content": _said(turn.get("content", turn.get("value")), role)}


def _said(value: object, whose: str) -> str:
    text = _text(value, whose)
    if not text.strip():
        raise ValueError(f"no text of {whose!r}")
    return text


def _text(value: object, whose: str) -> str:
    """Return a text, also one given as OpenAI's list of parts; images can't be learned from."""
    if isinstance(value, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in value
    ):
        return "\n".join(part["text"] for part in value)
    if not isinstance(value, str):
        raise ValueError(f"{whose!r} is no text")
    return value
