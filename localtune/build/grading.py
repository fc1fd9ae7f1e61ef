"""The exam, asked of a base, of what a build ships, and of any GGUF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune.build.job import Build
from localtune.build.models import convert_base, load
from localtune.config.stages import PLAIN_TEMPLATE, GradeConfig
from localtune.progress import Progress
from localtune.prompts import with_system
from localtune.workspace import temporary_path, write_json

if TYPE_CHECKING:
    from localtune.llama.llama import Model


def grade_base(build: Build, progress: Progress) -> None:
    """Ask the untuned base: its own GGUF, or a BF16 one that is removed afterwards."""
    from localtune.llama.llama import Model

    with _base_gguf(build, progress) as gguf:
        model = Model(gguf, context=build.config.grade.context, template=PLAIN_TEMPLATE)
        _grade_all(model, build, "base", progress)


@contextmanager
def _base_gguf(build: Build, progress: Progress) -> Iterator[Path]:
    from localtune.export.unpack.gguf_source import SOURCE

    at = build.at
    if (at.base / SOURCE).exists():
        yield at.base / SOURCE
        return
    with temporary_path(at.work / "base.gguf") as gguf:
        convert_base(build, gguf, progress)
        yield gguf


def grade_level(level: str, build: Build, progress: Progress) -> None:
    """Ask a level, or base and adapter where the adapter alone is shipped."""
    model = load(build, build.at.level_gguf(level), build.config.grade.context)
    _grade_all(model, build, level, progress)


def _grade_all(model: Model, build: Build, which: str, progress: Progress) -> None:
    """Ask the exam and read the general text."""
    from localtune.evaluation.forgetting import general_loss

    config = build.config
    graded = grade_model(model, build.at.exam, config.grade, progress, config.chat.system)
    general = general_loss(model, progress=progress)
    write_json(build.at.grade(which), {**graded, "general": general})


def grade_gguf(
    gguf: Path, exam: Path, config: GradeConfig, progress: Progress, system: str = ""
) -> dict[str, Any]:
    """Ask a GGUF every question of an exam, with a plain chat template where it has none."""
    from localtune.llama.llama import Model

    model = Model(gguf, context=config.context, template=PLAIN_TEMPLATE)
    return grade_model(model, exam, config, progress, system)


def grade_model(
    model: Model, exam: Path, config: GradeConfig, progress: Progress, system: str = ""
) -> dict[str, Any]:
    """Ask a model every question of an exam; return {"recall", "interval", "answers"}.

    `system` stands in front of each, where it isn't empty.
    """
    from localtune.evaluation.recall import grade, read_exam

    def ask(question: str) -> str:
        messages = with_system([{"role": "user", "content": question}], system)
        return model.ask(messages, max_tokens=config.max_answer_tokens).text

    score = grade(read_exam(exam), ask, progress=progress)
    right = sum(row["correct"] for row in score.rows)
    progress.note(f"{right} of {len(score.rows)} questions answered")
    return {"recall": score.recall, "interval": [score.lo, score.hi], "answers": score.rows}
