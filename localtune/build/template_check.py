"""Whether a base's chat template renders the conversations of a build, asked before training.

Each shape that lessons will have is rendered once: a question with its answer, the system prompt,
and the turns of the user's own chats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localtune.config.stages import PLAIN_TEMPLATE, BuildConfig
from localtune.errors import (
    BaseModelError,
    ConfigError,
    InputError,
    LocaltuneError,
    RuntimeFileError,
    UnsupportedError,
)
from localtune.prompts import Message, with_system
from localtune.workspace import Workspace, read_jsonl

TURN: list[Message] = [
    {"role": role, "content": f"{role} says this"} for role in ("user", "assistant")
]


@dataclass(frozen=True)
class ChatCheck:
    """A conversation, and the error where the template can't render it: `what` it is, the hint."""

    messages: list[Message]
    error: type[LocaltuneError]
    what: str
    hint: str


def check_template(at: Workspace, config: BuildConfig) -> None:
    """Raise BaseModelError, ConfigError or InputError for a conversation that can't be rendered.

    A base that only another converter knows is left to training, which says the same.
    """
    from localtune.build.headers import header_of

    if not at.base.exists():  # an estimate has none
        return
    try:
        header = header_of(at.base)
    except UnsupportedError:
        return
    if config.export.adapter_only and not header.template:
        raise ConfigError(
            f"{config.base.base} has no chat template, and an adapter brings none.",
            "Omit --adapter-only: a merged model has the template that it was trained with.",
        )
    template = header.template or PLAIN_TEMPLATE
    for shape in _shapes(at, config):
        if fault := _fault(template, shape.messages, header.bos, header.eos):
            name = config.base.base
            message = f"The chat template of {name} can't render {shape.what}: {fault}."
            raise shape.error(message, shape.hint)


def _shapes(at: Workspace, config: BuildConfig) -> Iterator[ChatCheck]:
    fix = "Fix the chat template in the base's folder, or choose another --base."
    yield ChatCheck(TURN, BaseModelError, "a question with its answer", fix)
    if system := config.chat.system:
        what = f"the system prompt {system[:60]!r}, of --system or of the base in Ollama"
        hint = "Omit --system and --adapter-only, or choose another --base."
        yield ChatCheck(with_system(TURN, system), ConfigError, what, hint)
    seen = set[tuple[str, ...]]()
    for chat in read_jsonl(at.chats) if at.chats.exists() else ():
        roles = tuple(said["role"] for said in chat["messages"])
        if roles not in seen:
            seen.add(roles)
            yield _shape_of_chat(chat["document"], roles)


def _shape_of_chat(document: str, roles: tuple[str, ...]) -> ChatCheck:
    messages = [{"role": role, "content": f"{role} says {n}"} for n, role in enumerate(roles)]
    what, hint = f"a chat of {len(roles)} messages in {document}", "Choose another --base."
    if roles[0] == "system":
        what = f"the chats of {document} that begin with a system message"
        hint = "Put its text into the first user message, or choose another --base."
    return ChatCheck(messages, InputError, what, hint)


def _fault(template: str, messages: list[Message], bos: str, eos: str) -> str:
    """Return why a conversation can't be rendered, "" where it can: each message is in the text."""
    from localtune.llama.chat import render

    try:
        shown = render(template, messages, bos, eos, ask=False)
        render(template, messages[:-1], bos, eos)
    except RuntimeFileError as error:
        return " ".join(str(error.__cause__ or error).split()).rstrip(".")
    lost = [said["role"] for said in messages if said["content"].strip() not in shown]
    return f"it leaves out the {lost[0]} message" if lost else ""
