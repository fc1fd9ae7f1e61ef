"""A chat template (Jinja) and messages -> the prompt's text, as transformers renders it."""

from __future__ import annotations

import datetime
import json
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localtune.errors import RuntimeFileError

Message = dict[str, str]


def render(template: str, messages: list[Message], bos: str, eos: str, ask: bool = True) -> str:
    """Render messages; with `ask` the prompt ends where the assistant's answer begins.

    The environment is that of transformers' apply_chat_template (utils/chat_template_utils.py,
    5.23), sandboxed, as a template comes with a model. Raises RuntimeFileError.
    """
    try:
        made = _environment().from_string(template)
        return made.render(
            messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=ask
        )
    except (TemplateError, TypeError, ValueError, KeyError) as error:
        raise RuntimeFileError(
            f"The model's chat template can't render this conversation: {error}.",
            "Ask one question at a time; if that fails too, build again with another --base.",
        ) from error


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(pattern: str) -> str:
    return datetime.datetime.now().strftime(pattern)
