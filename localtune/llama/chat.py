"""A chat template (Jinja) and messages -> the prompt's text, as transformers renders it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from localtune.errors import RuntimeFileError
from localtune.llama.bounded_jinja import BoundedEnvironment, bounded, whole

Message = dict[str, str]
RENDER_ERRORS = (
    *(TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    *(RecursionError, MemoryError),
)

# Two days, to find the templates that name the date.
DAYS = (datetime.datetime(2024, 2, 29), datetime.datetime(2031, 11, 3))


class Generation(Extension):
    """transformers' own tag around what an assistant says, which changes nothing of a prompt."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what stands inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    bos: str,
    eos: str,
    ask: bool = True,
    day: datetime.datetime | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
    thinks: bool | None = None,
) -> str:
    """Render messages; with `ask` the prompt ends where the assistant's answer begins.

    `day` is today where it isn't given. `thinks` is whether to think before an answer, None for
    what the template does by itself; it has one of two names there. Raises RuntimeFileError.
    """
    today = (day or datetime.datetime.now()).strftime
    said: dict[str, Any] = {"messages": messages, "bos_token": bos, "eos_token": eos}
    said |= {"tools": tools} if tools else {}
    said |= {} if thinks is None else {"enable_thinking": thinks, "thinking": thinks}
    try:
        with bounded():
            made = _compiled(template)
            return whole(made.generate(**said, add_generation_prompt=ask, strftime_now=today))
    except RENDER_ERRORS as error:
        raise RuntimeFileError(
            f"The model's chat template can't render this conversation: {error}.",
            "Ask one question at a time; if that fails too, build again with another --base.",
        ) from error


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    """Compile a template in the environment of transformers' apply_chat_template.

    Sandboxed, as a template comes with a model. Source: utils/chat_template_utils.py (5.23).
    """
    environment = BoundedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(template)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
