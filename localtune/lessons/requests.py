"""A request of requests.toml and a writer -> what it says, as a value of the schema.

An answer that is no such JSON is asked for again. Knows nothing of what is done with it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib.resources import files
from typing import Any

from localtune.in_view import Message, in_view
from localtune.writing import Schema, UnusableError, Writer

_TEXT = files("localtune.lessons").joinpath("requests.toml").read_text("utf-8")
REQUESTS: dict[str, dict[str, str]] = tomllib.loads(_TEXT)
VERSION = hashlib.sha256(_TEXT.encode()).hexdigest()[:16]
TRIES = 3  # of one request, where the answer can't be used
WARM = 0.7  # temperature of every try but the first, and of every sample but the first
LINE, LONG = 240, 1200  # characters of a sentence, and of several


def text(most: int = LINE) -> Schema:
    """Return the schema of a text of so many characters."""
    return {"type": "string", "maxLength": most}


def texts(fewest: int, most: int) -> Schema:
    """Return the schema of a list of short texts."""
    return {"type": "array", "items": text(), "minItems": fewest, "maxItems": most}


def an_object(**parts: Schema) -> Schema:
    """Return the schema of an object with exactly these parts."""
    return {
        "type": "object",
        "properties": parts,
        "required": list(parts),
        "additionalProperties": False,
    }


def where(passage: dict[str, Any]) -> str:
    """Return the title path of a passage."""
    return " > ".join(dict.fromkeys([passage["title"], *passage.get("headings", [])]))


def ask(
    writer: Writer,
    passage: dict[str, Any] | None,
    request: str,
    schema: Schema,
    *,
    seed: int,
    temperature: float = 0.0,
    max_tokens: int = 0,
) -> dict[str, Any]:
    """Return a writer's answer to a request about a passage in view, or about none.

    Raises UnusableError where none of TRIES can be used, and what the writer raises.
    """
    shape = json.dumps(_shape(schema), ensure_ascii=False)
    messages: list[Message] = [
        {"role": "user", "content": f"{request.strip()}\nWrite JSON like {shape}"}
    ]
    if passage:
        messages = in_view(messages, passage["text"])
    for tried in range(TRIES):
        try:
            said = writer.write(
                messages,
                schema,
                max_tokens=max_tokens or _room(schema),
                temperature=max(temperature, WARM if tried else 0.0),
                seed=seed + 1000 * tried,
            )
            return _read(said, schema)
        except UnusableError:
            if tried + 1 == TRIES:
                raise
    raise AssertionError


def seed_of(*parts: str) -> int:
    """Return a seed that hangs on these texts only, and so not on what was asked before."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:3], "big")


def _read(said: str, schema: Schema) -> dict[str, Any]:
    try:
        value = json.loads(said)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can't be stored
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"An answer is no JSON: {said[:60]!r}.") from error
    if not isinstance(value, dict) or not _fits(value, schema):
        raise UnusableError(f"An answer is other JSON than was asked for: {said[:60]!r}.")
    return value


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value has the schema's shape; how long texts and lists are doesn't matter here."""
    kind = schema["type"]
    if kind == "object":
        parts: dict[str, Schema] = schema["properties"]
        inside = isinstance(value, dict) and set(parts) <= set(value)
        return inside and all(_fits(value[name], part) for name, part in parts.items())
    if kind == "array":
        return isinstance(value, list) and all(_fits(part, schema["items"]) for part in value)
    return isinstance(value, str)


def _shape(schema: Schema) -> Any:
    """Return an example of a schema: what servers that know no schemas go by."""
    if schema["type"] == "object":
        return {name: _shape(part) for name, part in schema["properties"].items()}
    return [_shape(schema["items"])] if schema["type"] == "array" else "…"


def _room(schema: Schema) -> int:
    """Return the tokens that the longest value of a schema may take; 3 characters each."""
    if schema["type"] == "object":
        return sum(_room(part) + 12 for part in schema["properties"].values())
    if schema["type"] == "array":
        return int(schema["maxItems"]) * (_room(schema["items"]) + 4)
    return int(schema["maxLength"]) // 3
