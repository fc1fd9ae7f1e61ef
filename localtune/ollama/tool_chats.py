"""The chats with tools and thoughts on which a hand-written Go template must equal a Jinja.

As a client of OpenAI's API would send them, in the order of keys that its documents and
transformers' get_json_schema have; what has no order for Go stands in that of the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localtune.llama.chat import Message

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Chat:
    """One request: messages, tools, and whether to think (None: it isn't said)."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Object] = field(default=())
    thinks: bool | None = None


def _tool(name: str, description: str, properties: Object, *required: str) -> Object:
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = list(required)
    function: dict[str, Any] = {"name": name}
    if description:
        function["description"] = description
    return {"type": "function", "function": {**function, "parameters": parameters}}


WEATHER = _tool(
    "get_weather",
    "The weather of a place, now.",
    {
        "place": {"type": "string", "description": "Town & country, such as Zürich <CH>"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "place",
)
NOTE = _tool(
    "write_note",
    'Keep a "note".\nIt is a\\path, a tab\t, \u00a0and\u2028東京 🚀.',
    {
        "day": {"type": "integer", "enum": [1, 2, 3], "description": "1 < 2 & 3"},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "any"},
        "text": {"type": ["string", "null"]},
        "urgent": {"type": "boolean", "description": "x" * 130 + '"' + "y" * 70},
    },
    "day",
    "text",
)
CLOCK = _tool("clock", "", {})
PLAIN = _tool("clock", "What time it is", {})
TOOLS = ((WEATHER,), (NOTE, WEATHER), (CLOCK,), (PLAIN, NOTE))
ARGUMENTS: tuple[Object, ...] = (
    {"place": "Zürich <CH> & co", "unit": "celsius"},
    {
        "day": 3,
        "deep": {"a": [1, -2, 0.5, "x"], "b": {}, "c": {"d": None}, "e": []},
        "tags": ["a", '"b"'],
        "text": "é\n\t\"東京\" 🚀 \\ </s> 'x' \u00a0\u2028\u200d\x7f" + 90 * "long ",
        "urgent": True,
    },
    {},
)
RESULTS = ("21 °C", '{"temp": 21, "unit": "<C>"}', "  two\nlines \n", "")
RESPONSE = "tool_response"  # a question may look like the result of a tool
THOUGHTS = ("Let me see.", "\nhm <b>\n\nso 🚀 it is\n")
SAID = ("Ask", "What is {{ this }}?\n", "  @ x\n", f"<{RESPONSE}>\nA guess.\n</{RESPONSE}>")
SYSTEM = ("You are brief.", " Be\n\nkind \n", "Answer with care. /no_think", "/think first", "")


def _call(number: int) -> Object:
    name = ("get_weather", "write_note", "clock")[number % 3]
    function = {"name": name, "arguments": ARGUMENTS[number % 3]}
    return {"id": f"call{number:05}", "type": "function", "function": function}


def _calls(first: int, count: int, text: str, thought: str) -> Mapping[str, Any]:
    calls = [_call(first + n) for n in range(count)]
    thinking = {"reasoning_content": thought} if thought else {}
    return {"role": "assistant", "content": text, **thinking, "tool_calls": calls}


def _result(number: int) -> Message:
    text = RESULTS[number % len(RESULTS)]
    return {"role": "tool", "content": text, "tool_call_id": f"call{number:05}"}


def tool_chats() -> Iterator[Chat]:
    """Yield the chats: tools offered, called, one or several at once, their results, thoughts."""
    for thinks in (None, True, False):
        for n, talk in enumerate(_talks()):
            yield Chat(talk, (), thinks)
            yield Chat(talk, TOOLS[n % len(TOOLS)], thinks)


def _talks() -> Iterator[list[Mapping[str, Any]]]:
    for n, said in enumerate(SAID):
        asked: list[Mapping[str, Any]] = [{"role": "user", "content": said}]
        for system in ([], [{"role": "system", "content": SYSTEM[n]}]):
            for talk in _continued(asked, n):
                yield [*system, *talk]
    yield [{"role": "system", "content": ""}, {"role": "user", "content": "Ask"}]
    yield [{"role": "system", "content": SYSTEM[4] + SYSTEM[3]}, {"role": "user", "content": "A"}]


def _continued(asked: list[Mapping[str, Any]], n: int) -> Iterator[list[Mapping[str, Any]]]:
    """Yield what may follow a question: nothing, calls and results, an answer, another round."""
    thought = THOUGHTS[n % 2]
    text = "" if n % 2 else "I look."
    answer: Message = {"role": "assistant", "content": f"\nIt is {n}.\n"}
    thoughtful = {**answer, "reasoning_content": thought}
    again = {"role": "user", "content": "More?"}
    yield asked
    yield [*asked, answer, again]
    yield [*asked, answer, *asked]
    yield [*asked, thoughtful, again]
    for said, thinks in (("", ""), (text, thought)):
        one = [*asked, _calls(n, 1, said, thinks), _result(n)]
        yield one
        yield [*one, answer, again]
        yield [*one, _calls(n + 1, 1, "", thinks), _result(n + 1)]
    two = [*asked, _calls(n, 2, text, ""), _result(n), _result(n + 1)]
    yield two
    yield [*two, thoughtful, again, _calls(n, 3, "", thought), *map(_result, range(n, n + 3))]
