"""Using a build: one answer, a conversation. Always with the GGUF's own chat template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from localtune.build.open_build import open_build, shipped
from localtune.prompts import with_system

if TYPE_CHECKING:
    from localtune.llama.llama import Model

Message = dict[str, str]
ROOM = 1024  # tokens of context for a conversation, where none are asked for
LONGEST = 256  # tokens of one answer


def answer(folder: Path, question: str, level: str = "", context: int = 0) -> tuple[Path, str]:
    """Ask a build's shipped file one question; return the file and the answer.

    `context` is in tokens; 0 takes what the exam was asked in. Raises InputError, RuntimeFileError.
    """
    build = open_build(folder)
    gguf = shipped(build, level)
    from localtune.build.models import load  # only once there is a file to load

    model = load(build, gguf, context or build.config.grade.context)
    messages = with_system([{"role": "user", "content": question}], build.config.chat.system)
    asked = model.ask(messages, max_tokens=LONGEST)
    return gguf, asked.text


def converse(
    folder: Path,
    level: str,
    read: Callable[[], str],
    write: Callable[[str], None],
    context: int = 0,
) -> None:
    """Answer what `read` returns until it is empty; what fits of the conversation stays in view.

    `context` is in tokens; 0 chooses. Raises InputError, RuntimeFileError.
    """
    build = open_build(folder)
    gguf = shipped(build, level)
    from localtune.build.models import load  # only once there is a file to load

    model, said = load(build, gguf, context or ROOM), list[Message]()
    while question := read().strip():
        said.append({"role": "user", "content": question})
        said = _that_fits(model, said, build.config.chat.system)
        text = model.ask(with_system(said, build.config.chat.system), max_tokens=LONGEST).text
        write(text + "\n")
        said.append({"role": "assistant", "content": text})


def _that_fits(model: Model, said: list[Message], system: str) -> list[Message]:
    """Drop the oldest turns until the rest and an answer fit into the context."""
    room = model.context - min(LONGEST, model.context // 2)
    while len(said) > 1 and len(model.token_ids(model.render(with_system(said, system)))) > room:
        said = said[2:]
    return said
