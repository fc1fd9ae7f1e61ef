"""Whether llama.cpp can hold an answer to a JSON schema; a grammar that it refuses ends a process.

llama-cpp-python 0.3.36 turns a schema into a grammar and passes on what llama.cpp makes of it
without looking: for a grammar that it refuses that is a null pointer.
"""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Iterator
from typing import Any

import llama_cpp
from llama_cpp.llama_grammar import json_schema_to_gbnf

MAX_SCHEMA_BYTES = 64 << 10
MAX_REPETITIONS = 2000  # MAX_REPETITION_THRESHOLD of src/llama-grammar.cpp
COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
CONVERSION_ERRORS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError),
    *(TypeError, ValueError, re.error),
)
Row = dict[str, Any]


def complaint_about_schemas(request: Row) -> str:
    """Return why a request's schemas can't be followed, "" where they can."""
    schemas = list(_schemas(request))
    return "" if all(map(is_usable, schemas)) else "A JSON schema in the request can't be followed."


def _schemas(request: Row) -> Iterator[Any]:
    """Yield the schema of the answer, and where one tool is demanded, those of all tools."""
    wanted = request.get("response_format")
    if isinstance(wanted, dict) and "schema" in wanted:
        yield wanted["schema"]
    demanded = (request.get(field) for field in ("tool_choice", "function_call"))
    if not any(isinstance(choice, dict) for choice in demanded):
        return  # the model only reads them
    for field in ("tools", "functions"):
        listed = request.get(field)
        for tool in listed if isinstance(listed, list) else ():
            function = tool.get("function", tool) if isinstance(tool, dict) else None
            if isinstance(function, dict) and "parameters" in function:
                yield function["parameters"]


def is_usable(schema: Any) -> bool:
    """Whether llama.cpp makes a grammar of a schema."""
    text = json.dumps(schema)
    # llama.cpp takes a NUL in a grammar for its end, and then finds no token that fits.
    if (
        len(text) > MAX_SCHEMA_BYTES
        or r"\u0000" in text
        or any(_is_too_much(part) for part in _objects(schema))
    ):
        return False
    try:
        grammar = json_schema_to_gbnf(text)
    except CONVERSION_ERRORS:
        return False
    return is_grammar(grammar)


def _objects(value: Any) -> Iterator[Row]:
    """Yield the objects of a JSON value, nested ones too."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _is_too_much(schema: Row) -> bool:
    """Whether a schema repeats something too often; patterns nest repetitions, so none is taken."""
    counts = [schema.get(name) for name in COUNTS]
    many = any(isinstance(count, int) and count > MAX_REPETITIONS for count in counts)
    return many or isinstance(schema.get("pattern"), str)


def is_grammar(grammar: str) -> bool:
    """Whether llama.cpp can parse a grammar, and it has no rule that begins with itself."""
    made = llama_cpp.llama_sampler_init_grammar(None, grammar.encode(), b"root")
    if not made:
        return False
    llama_cpp.llama_sampler_free(ctypes.cast(made, llama_cpp.llama_sampler_p_ctypes))
    return True
