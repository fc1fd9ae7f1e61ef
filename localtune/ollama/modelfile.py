"""A GGUF -> the Modelfile that `ollama create` reads. Starts no runtime.

The chat template stays in the GGUF, from which Ollama renders it since 0.30. Source:
server/create.go, template/template.go and api/types.go of Ollama 0.33.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from localtune.errors import RuntimeFileError
from localtune.llama.chat import render
from localtune.llama.header import Header
from localtune.llama.llama import read_header
from localtune.ollama.create_request import OLDEST
from localtune.ollama.modelfile_grammar import Command, comment, held, holds, write
from localtune.ollama.name import valid_name
from localtune.workspace import write_text

LONGEST_CONTEXT = 4096  # what Ollama gives a model on a machine without a large GPU
REQUIRES = Command("REQUIRES", ".".join(map(str, OLDEST)))
# Ollama compares a chat template with those it knows, by edit distance, and below 100 puts a Go
# template of its own in its place (template/template.go, Named). Nothing is near a long comment.
UNLIKE = (
    "{# llama.cpp, and Ollama 0.30 and later, render this chat template as it is. When a model is"
    " created, Ollama compares its chat template with those that it knows, and where two are alike"
    " it uses a Go template of its own in place of this one. The model would then be asked in other"
    " words than those that it was trained with. This comment prevents that: it makes the template"
    " unlike every template that Ollama knows. It adds nothing to a prompt. #}"
)
NO_TEMPLATE = """\
# No TEMPLATE: Ollama 0.30 and later render the chat template in the GGUF."""
NO_CHAT = """\
# The model has no chat template: it goes on with a text, and doesn't answer."""
EMBEDS = """\
# The model makes embeddings and answers nothing: ask it at /api/embed."""
MISTAKEN = """\
# If `ollama show --template` prints a template, Ollama uses that one instead, and prompts may
# differ from those of llama.cpp. To prevent that, start it with OLLAMA_GO_TEMPLATE=0."""
SETTINGS = """\
# Always the likeliest word, none made less likely for having been said: as the exam was asked."""
# general.sampling.* of a GGUF -> Ollama's name. Ollama has other defaults than llama.cpp.
SAMPLING = {
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "temp": "temperature",
    "penalty_repeat": "repeat_penalty",
}
EXACT = (Command("PARAMETER", "0", "temperature"), Command("PARAMETER", "1", "repeat_penalty"))
LIMIT = """\
# Longest answer, in tokens: a model that repeats itself stops there, and not after 10 contexts."""
LEAST_ANSWER = 256  # tokens: several times what a lesson answers, for questions about other things
THOUGHTS = ("<think>", "</think>")  # by these Ollama knows a model that thinks before it answers
Line = Command | str  # a command, or a line of comment


def write_modelfile(
    gguf: Path,
    modelfile: Path,
    made: str = "",
    licence: str = "",
    system: str = "",
    *,
    lesson_tokens: int = 0,
) -> None:
    """Write the Modelfile of a build's level beside it. Raises RuntimeFileError.

    `made` says what the model was made from, `licence` is the text of its base's, `system` what the
    lessons had as system prompt, `lesson_tokens` the length of the longest,
    0 if not known.
    """
    text = modelfile_text(gguf, made, licence, system, exact=True, lesson_tokens=lesson_tokens)
    write_text(modelfile, text)


def modelfile_text(
    gguf: Path,
    made: str = "",
    licence: str = "",
    system: str = "",
    *,
    exact: bool = False,
    lesson_tokens: int = 0,
) -> str:
    """Return the Modelfile of a GGUF, which names it by `./` and its name.

    With `exact` the likeliest word is always said, else what the file itself asks for;
    `lesson_tokens` as for `write_modelfile`. Raises RuntimeFileError.
    """
    header = read_header(gguf)
    return text_of_header(
        header, gguf, made, licence, system, exact=exact, lesson_tokens=lesson_tokens
    )


def text_of_header(
    header: Header,
    gguf: Path,
    made: str,
    licence: str,
    system: str = "",
    *,
    exact: bool = False,
    lesson_tokens: int = 0,
) -> str:
    """Return the Modelfile of a GGUF with such a header, as `modelfile_text` does."""
    lines = [
        *_made(header, made),
        Command("FROM", f"./{gguf.name}"),
        *lines_of(header, exact=exact, lesson_tokens=lesson_tokens),
        *system_lines(system),
        *licence_lines(header, licence),
    ]
    return text_of(lines)


def text_of(lines: Sequence[Line]) -> str:
    """Return lines as text, an empty one before each comment."""
    written = [write([x]) if isinstance(x, Command) else f"\n{comment(x)}\n" for x in lines]
    return "".join(written).lstrip("\n")


def lines_of(header: Header, *, exact: bool, lesson_tokens: int = 0) -> list[Line]:
    """Return what a Modelfile says besides what it is FROM: version, stops and parameters."""
    if header.embeds:
        return [EMBEDS, REQUIRES, *_context(header)]
    ends: list[Line] = [Command("PARAMETER", end, "stop") for end in stops(header)]
    return [
        *_template(header),
        *["# Where an answer ends." for _ in ends[:1]],
        *ends,
        *_settings(header, exact),
        "# Tokens of question, conversation and answer together.",
        *_context(header),
        LIMIT,
        Command("PARAMETER", str(longest_answer(header, lesson_tokens)), "num_predict"),
    ]


def system_lines(system: str) -> list[Line]:
    """Return the system prompt as Ollama puts it in front, nothing where there is none."""
    return ["# As in every lesson.", Command("SYSTEM", system)] if system else []


def _context(header: Header) -> list[Line]:
    return [Command("PARAMETER", str(context_of(header)), "num_ctx")]


def _settings(header: Header, exact: bool) -> list[Line]:
    asked = sampling(header)
    if not exact:
        return ["# As the file itself says.", *asked] if asked else []
    # What has no effect at temperature 0 is there for those who raise it.
    others = [command for command in asked if command.key not in [fixed.key for fixed in EXACT]]
    return [SETTINGS, *EXACT, *others]


def context_of(header: Header) -> int:
    """Return the tokens to ask for: what the model was trained on, up to Ollama's own default."""
    return min(header.context or LONGEST_CONTEXT, LONGEST_CONTEXT)


def longest_answer(header: Header, lesson_tokens: int) -> int:
    """Return the tokens that an answer may have.

    Twice those of the longest lesson, question included; the whole context where that isn't known,
    or where the model thinks before it answers, at no known length.
    """
    context = context_of(header)
    if not lesson_tokens or all(mark in header.template for mark in THOUGHTS):
        return context
    return min(max(LEAST_ANSWER, 2 * lesson_tokens), context)


def sampling(header: Header) -> list[Command]:
    """Return the values that the base's generation_config.json gave the file."""
    said = {ours: header.metadata.get(f"sampling.{key}", "") for key, ours in SAMPLING.items()}
    found = {key: _plain(text) for key, text in said.items()}
    return [Command("PARAMETER", value, key) for key, value in found.items() if value]


def _plain(text: str) -> str:
    """Return a number as Ollama reads it (llama.cpp writes 0.950000), "" for what is none."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"{number:g}" if math.isfinite(number) else ""


def _made(header: Header, made: str) -> list[Line]:
    base = header.metadata.get("base_model.0.name") or header.metadata.get("basename")
    about = made or (f"A model made from {base}." if base else "")
    create = f"# ollama create {valid_name(header.name)} -f Modelfile"
    return [f"{create}\n{about}" if about else create]


def _template(header: Header) -> list[Line]:
    if not header.template:
        return [NO_CHAT, REQUIRES, Command("TEMPLATE", "{{ .Prompt }}")]
    marked = header.template.startswith("{#") and len(header.template.partition("#}")[0]) > 300
    return [NO_TEMPLATE if marked else f"{NO_TEMPLATE}\n{MISTAKEN}", REQUIRES]


def stops(header: Header) -> list[str]:
    """Return the texts at which an answer ends: the end-of-turn tokens that the template knows.

    Where it knows none, what it puts after an answer.
    """
    known = [end for end in header.ends if end in header.template]
    found = [header.eos, *known]
    after = _after_answer(header)
    if after and not any(end in after for end in found if end):
        found += after.split("\n")[:1]
    texts = dict.fromkeys(text.strip() for text in found)
    return [text for text in texts if text and holds(text)]


def _after_answer(header: Header) -> str:
    """Return what the chat template puts between an answer and the next question."""
    said = ("MARK 1.", "MARK 2.", "MARK 3.")
    roles = ("user", "assistant", "user")
    turns = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
    try:
        text = render(header.template, turns, header.bos, header.eos)
    except RuntimeFileError:
        return ""
    after, question, _ = text.partition(said[1])[2].partition(said[2])
    return after if question else ""


def licence_lines(header: Header, licence: str) -> list[Line]:
    """Return the text of a licence, where there is none, or none that can stand here, its name."""
    named = [header.metadata.get(key, "") for key in ("license", "license.name", "license.link")]
    name = ", ".join(dict.fromkeys(part for part in named if part))
    text = next((text for text in (held(licence), held(name)) if text.strip() and holds(text)), "")
    return ["# The base's; the documents are yours.", Command("LICENSE", text)] if text else []
