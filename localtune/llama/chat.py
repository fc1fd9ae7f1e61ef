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


class Generation(Extension):
    """transformers' own tag around what an assistant says, which changes nothing of a prompt."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what stands inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def render(
    template: str, messages: Sequence[Mapping[str, Any]], bos: str, eos: str, ask: bool = True
) -> str:
    """Render messages; with `ask` the prompt ends where the assistant's answer begins.

    Raises RuntimeFileError.
    """
    today = datetime.datetime.now().strftime
    said: dict[str, Any] = {"messages": messages, "bos_token": bos, "eos_token": eos}
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
