"""A model in Ollama -> whether it answers there, and whether it is shown the prompt it knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.build.job import Build
from localtune.build.models import files_of
from localtune.config.stages import PLAIN_TEMPLATE
from localtune.deploy.install_files import InstallRequest
from localtune.deploy.installed import InstalledModel
from localtune.errors import BaseModelError, RuntimeFileError
from localtune.evaluation.recall import is_correct, read_exam
from localtune.ollama.client import Ollama
from localtune.ollama.modelfile_grammar import Command
from localtune.progress import Progress
from localtune.workspace import read_json

ANYTHING = "What do you know?"  # where there is no exam to ask from
SHOWN = 24  # characters of a prompt on either side of a difference
Row = dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """What was asked and answered; `correct` is None without an exam.

    `prompt` is "same", "other", or "unknown" where the server doesn't show its prompts.
    """

    question: str
    answer: str
    correct: bool | None
    prompt: str


def check_installed(
    build: Build, wanted: InstallRequest, place: InstalledModel, progress: Progress
) -> Checked:
    """Ask the model one question of the exam, as the exam was asked, and look at its prompt.

    Warns where the prompt or the answer isn't what it is in llama.cpp. Raises ServerError where
    the model doesn't answer.
    """
    row = _row(build, wanted.gguf)
    messages = [{"role": "user", "content": row["question"]}]
    # The context stays the Modelfile's: with another one Ollama would load the model twice.
    options = {
        "temperature": 0,
        "repeat_penalty": 1,
        "num_predict": build.config.grade.max_answer_tokens,
    }
    with Ollama(place.url) as server:
        shown = server.prompt(place.name, messages)
        answer = server.chat(place.name, messages, options)
    prompt = _compare(wanted, expected_prompt(build, wanted, messages), shown, progress)
    correct = is_correct(answer, row["answers"]) if row["answers"] else None
    if row.get("correct") and not correct:
        progress.warn(f"in the exam it answered this question right, with {row['said']!r}")
    return Checked(row["question"], answer, correct, prompt)


def _row(build: Build, gguf: Path) -> Row:
    """Return the shortest question that was answered in the exam, else any of the exam.

    What another level said doesn't count as said by this one.
    """
    levels = sorted(build.levels, key=lambda level: build.at.level_gguf(level) != gguf)
    level = next((level for level in levels if build.at.grade(level).exists()), None)
    if level:
        rows = read_json(build.at.grade(level))["answers"]
    else:
        rows = read_exam(build.at.exam) if build.at.exam.exists() else []
    rows = sorted(rows, key=lambda row: (not row.get("correct"), len(row["question"])))
    row = rows[0] if rows else {"question": ANYTHING, "answers": []}
    own = level and build.at.level_gguf(level) == gguf
    return row if own else {"question": row["question"], "answers": row["answers"]}


def _compare(
    wanted: InstallRequest, expected: tuple[str, str] | None, shown: str | None, progress: Progress
) -> str:
    if shown is None or expected is None:
        progress.note("the server's prompt can't be compared with the one it was trained with")
        return "unknown"
    bos, text = expected
    shown, text = shown.removeprefix(bos), text.removeprefix(bos)
    if shown == text:
        return "same"
    progress.warn(_difference(shown, text))
    has_template = any(c.name == "TEMPLATE" and c.value for c in wanted.commands)
    fix = "start the server with OLLAMA_GO_TEMPLATE=0 in its environment, or update it"
    if has_template:
        fix = "remove TEMPLATE from the Modelfile and install it again with --replace"
    progress.warn(f"{fix}; then it uses the GGUF's chat template, as `localtune serve` does")
    return "other"


def expected_prompt(
    build: Build, wanted: InstallRequest, messages: list[Row]
) -> tuple[str, str] | None:
    """Return BOS and the prompt of the exam; None where it can't be told.

    It is made by the chat template in the GGUF of the model, which for an adapter is its base.
    """
    from localtune.llama.chat import render
    from localtune.llama.llama import read_header

    whole = [*_before(wanted.commands), *messages]
    try:
        gguf, adapter = files_of(build, wanted.gguf)
        header = read_header(gguf)
        template = header.template or (PLAIN_TEMPLATE if adapter else "")
        return (header.bos, render(template, whole, header.bos, header.eos)) if template else None
    # A base that is gone, or a template that refuses the Modelfile's SYSTEM.
    except (BaseModelError, RuntimeFileError):
        return None


def _before(commands: tuple[Command, ...]) -> list[Row]:
    """Return what a Modelfile puts before every conversation: SYSTEM, then its MESSAGEs.

    Source: ChatHandler in server/routes.go of Ollama 0.33.
    """
    said = [{"role": c.key, "content": c.value} for c in commands if c.name == "MESSAGE"]
    system = [c.value for c in commands if c.name == "SYSTEM"][-1:]
    return [*({"role": "system", "content": text} for text in system if text), *said]


def _difference(shown: str, expected: str) -> str:
    pairs = zip(shown, expected, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(shown), len(expected)))
    start = max(0, at - SHOWN)
    return (
        f"Ollama shows the model another prompt than it was trained with, so that it may answer "
        f"worse: {shown[start : at + SHOWN]!r} instead of {expected[start : at + SHOWN]!r} "
        f"(they differ from character {at + 1})"
    )
