"""The exam, asked of a base, of what a build ships, and of any GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune.config import PLAIN_TEMPLATE, GradeConfig
from localtune.in_view import with_system
from localtune.progress import Progress
from localtune.steps import Build
from localtune.upon_base import load
from localtune.workspace import temporary_path, write_json

if TYPE_CHECKING:
    from localtune.runtimes.llama import Model


def grade_base(build: Build, progress: Progress) -> None:
    """Ask the untuned base: its own GGUF, or a BF16 one that is removed afterwards."""
    from localtune.export.convert import convert
    from localtune.export.unpack.gguf_source import SOURCE

    at, asking, system = build.at, build.config.grade, build.config.chat.system
    if (at.base / SOURCE).exists():
        write_json(
            at.grade("base"), grade_gguf(at.base / SOURCE, at.exam, asking, progress, system)
        )
        return
    with temporary_path(at.work / "base.gguf") as gguf:
        convert(
            at.base,
            gguf,
            name=at.name,
            template=PLAIN_TEMPLATE,
            offline=build.config.base.offline,
            progress=progress,
        )
        write_json(at.grade("base"), grade_gguf(gguf, at.exam, asking, progress, system))


def grade_level(level: str, build: Build, progress: Progress) -> None:
    """Ask a level, or base and adapter where the adapter alone is shipped."""
    at, asking = build.at, build.config.grade
    model = load(build, at.level_gguf(level), asking.context)
    write_json(
        at.grade(level), grade_model(model, at.exam, asking, progress, build.config.chat.system)
    )


def grade_gguf(
    gguf: Path, exam: Path, config: GradeConfig, progress: Progress, system: str = ""
) -> dict[str, Any]:
    """Ask a GGUF every question of an exam, with a plain chat template where it has none."""
    from localtune.runtimes.llama import Model

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
