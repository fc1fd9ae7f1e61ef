"""The whole flow: documents -> passages -> exam, lessons -> adapter -> GGUF -> scores -> report.

`stages` is the pipeline on one screen: what each stage reads, writes and depends on. steps.py says
what each one calls; stage.py decides whether it must run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from localtune.bases.sources import origin
from localtune.build import (
    adapter_only,
    estimate_stage,
    exams,
    grading,
    job,
    results,
    steps,
    writing_stages,
)
from localtune.build.base import check_gguf
from localtune.build.base_choice import settle
from localtune.build.hashes import Hashes
from localtune.build.hours import hours_setting
from localtune.build.job import Build
from localtune.build.stage import Lock, Stage, Standing
from localtune.config.extras import READERS
from localtune.config.fields import locked_values, to_dict
from localtune.config.stages import NF4
from localtune.errors import InputError
from localtune.lessons.teacher.selection import check_teacher
from localtune.llama.level_names import check_levels
from localtune.machine import ranks
from localtune.machine.usage import measured
from localtune.ollama.modelfile_grammar import holds
from localtune.progress import Progress, Silent
from localtune.workspace import no_room_is_an_error, read_json, write_json

# The libraries whose version can change an artefact.
TRAINERS = ("torch", "transformers", "peft", "accelerate", "tokenizers")
FOUR_BIT = ("bitsandbytes",)
GGUF = ("gguf",)
LENGTHS = ("max_length", "batch_tokens")  # options that say how long a lesson may be
LLAMA = ("llama-cpp-python",)


@dataclass(frozen=True)
class Result:
    """What a build did: `seconds` are this run's; `scores` is work/scores.json."""

    folder: Path
    name: str
    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float
    scores: dict[str, Any]


def stages(build: Build) -> list[Stage]:
    """Return the stages of a build in the order they run."""
    at, config, levels = build.at, build.config, build.levels
    base = origin(config.base)
    private = {"keep_private": config.corpus.keep_private, "allow": list(config.corpus.allow)}

    def stage(
        name: str,
        settings: Any,
        inputs: list[Path],
        outputs: list[Path],
        libraries: tuple[str, ...],
        call: Callable[[Build, Progress], None],
        version: int = 1,
        scratch: Path | None = None,
    ) -> Stage:
        chosen = settings if isinstance(settings, dict) else locked_values(settings)
        ins, outs = _named(build, inputs), _named(build, outputs)
        run = partial(steps.in_threads, call, build)
        return Stage(name, version, chosen, ins, outs, libraries, run, scratch)

    alone, system = config.export.adapter_only, {"system": config.chat.system}
    asked = {**locked_values(config.grade), **system}
    budget = [at.budget] if config.train.hours else []
    made = _upon_base(build, stage) if alone else _whole(build, stage)
    # fmt: off
    return [
        stage("corpus", config.corpus, [build.docs],
              [at.documents, at.passages, at.chats, at.removed], READERS, steps.corpus, version=2),
        stage("base", config.base, [base] if base else [], [at.base], (), steps.base, version=2),
        *writing_stages.stages(build, stage, {**private, **system}),
        stage("targets", {key: getattr(config.train, key) for key in LENGTHS},
              [at.base, at.lessons, at.passages], [at.targets], (*TRAINERS, *LLAMA),
              steps.targets, scratch=at.target_parts),
        stage("plan", {**locked_values(config.train), **hours_setting(config.train)},
              [at.base, at.lessons, at.targets], [at.plan, *budget], TRAINERS,
              estimate_stage.keep_estimate),
        stage("train", config.train, [at.base, at.lessons, at.targets, at.development, *budget],
              [at.adapter, at.metrics, at.trained_upon],
              (*TRAINERS, *LLAMA, *(FOUR_BIT if config.train.precision == NF4 else ())),
              steps.train, version=7,
              scratch=at.checkpoints),
        *made,
        stage("grade base", asked, [at.base, at.exam], [at.grade("base")], GGUF + LLAMA,
              grading.grade_base, version=2),
        *[stage(f"grade {level}", asked, [at.level_gguf(level), at.exam], [at.grade(level)],
                LLAMA, partial(grading.grade_level, level), version=2) for level in levels],
        stage("scores", {"base": config.base.base},
              [at.exam, at.lesson_counts, at.faithful, at.plan,
               *map(at.grade, ("base", *levels))], [at.scores], (), results.scores, version=4),
        stage("report", {"keep_private": config.corpus.keep_private},
              [at.documents, at.exam, at.lessons, at.metrics, at.scores,
               *filter(Path.exists, [at.ladder])],
              [at.report_html, at.card], ("jinja2",), results.report, version=4),
    ]
    # fmt: on


def _whole(build: Build, stage: Callable[..., Stage]) -> list[Stage]:
    """Return the stages from an adapter to levels of the merged model."""
    at, config, levels = build.at, build.config, build.levels
    # Fixed by now; older builds chose them, and the lock entries of their levels stay valid.
    how: dict[str, Any] = {"pure": False, "keep": []}
    matrices = {level: steps.imatrix_of(build, level) for level in levels}
    # fmt: off
    return [
        stage("export", {}, [at.base, at.trained_upon, at.adapter], [at.master], GGUF, steps.export,
              version=4),
        stage("verify", {}, [at.base, at.trained_upon, at.adapter, at.master, at.exam],
              [at.faithful], (*TRAINERS, *LLAMA), steps.verify, version=2),
        *([stage("imatrix", {"imatrix_tokens": config.quantize.imatrix_tokens},
                 [at.base, at.trained_upon, at.adapter, at.passages], [at.imatrix], TRAINERS,
                 steps.imatrix)]
          if at.imatrix in matrices.values() else []),
        *[stage(f"quantize {level}", how, [at.master, *filter(None, [matrices[level]])],
                [at.level_gguf(level)], LLAMA, partial(steps.quantize, level)) for level in levels],
        stage("modelfile", {"system": config.chat.system, "max_length": config.train.max_length},
              [at.level_gguf(levels[0]), at.base, at.passages, at.chats, at.lessons],
              [at.modelfile], (), steps.modelfile, version=4),
    ]
    # fmt: on


def _upon_base(build: Build, stage: Callable[..., Stage]) -> list[Stage]:
    """Return the stages from an adapter to one that is shipped alone."""
    at, config, shipped = build.at, build.config, build.at.level_gguf(job.ADAPTER)
    said = {"system": config.chat.system, "max_length": config.train.max_length}
    # fmt: off
    return [
        stage("export adapter", {}, [at.base, at.adapter], [shipped], GGUF, adapter_only.export),
        stage("verify", {}, [at.base, at.adapter, shipped, at.exam], [at.faithful],
              (*TRAINERS, *LLAMA), adapter_only.verify, version=3),
        stage("modelfile", {"base": config.base.base, **said},
              [shipped, at.adapter, at.lessons], [at.modelfile], (), adapter_only.modelfile,
              version=3),
    ]
    # fmt: on


def run(build: Build, progress: Progress | None = None) -> Result:
    """Run the stages that must run and return what was done. Raises LocaltuneError.

    Of several processes the first does that; the others help it to train, and have done nothing.
    """
    progress = progress or Silent()
    check_before(build)
    began = time.monotonic()
    if not ranks.first():
        ranks.follow({"train": partial(steps.train_with_others, build)})
        return Result(
            build.at.folder, build.at.name, (), (), round(time.monotonic() - began, 2), {}
        )
    with ranks.leading(), build.at.hold(), no_room_is_an_error(build.at.folder):
        keep_settings(build)
        if build.config.exam.new:
            exams.set_aside(build)
        lock = Lock(build.at.lock, Hashes(build.at.hashes))
        corpus = stages(build)[0]
        done = {corpus.name: run_stage(corpus, lock, progress)}
        build = settle(build, progress)
        keep_settings(build)
        for stage in stages(build)[1:]:
            done[stage.name] = run_stage(stage, lock, progress)
        lock.hashes.save()
    return Result(
        build.at.folder,
        build.at.name,
        tuple(name for name, has_run in done.items() if has_run),
        tuple(name for name, has_run in done.items() if not has_run),
        round(time.monotonic() - began, 2),
        read_json(build.at.scores),
    )


def check_before(build: Build) -> None:
    """Refuse what is known to fail later, before anything is written. Raises LocaltuneError."""
    check_levels(build.config.quantize.levels)
    ranks.check_launcher()
    own = build.config.quantize.imatrix
    if own and not Path(own).expanduser().is_file():
        raise InputError(f"The importance matrix {own} isn't there.", "Check --imatrix.")
    check_teacher(build.config)
    if build.config.chat.system and not holds(build.config.chat.system):
        hint = 'Give --system a prompt without """ and control characters.'
        raise InputError("A Modelfile can't hold this system prompt.", hint)
    if build.config.train.device == "cuda":
        from localtune.training.machine import on_gpu

        on_gpu(build.config.train)
    if build.config.train.precision == NF4:
        from localtune.training.four_bit import check_extra

        check_extra(build.config.train)
    if not build.at.base.exists():
        check_gguf(build.config.base)


def keep_settings(build: Build) -> None:
    """Keep what the build was asked for, so that other commands need the build folder only."""
    at, config = build.at, to_dict(build.config)
    settings = {"name": at.name, "documents": str(build.docs), "config": config}
    path = at.settings
    if not path.exists() or read_json(path) != settings:
        write_json(path, settings)


def run_stage(stage: Stage, lock: Lock, progress: Progress) -> bool:
    """Run one stage unless its lock entry stands; return whether it ran."""
    standing = lock.standing(stage)
    if standing.state == "done":
        return False
    progress.stage(stage.name, "; ".join(standing.why) if standing.state == "again" else "")
    lock.prepare_scratch(stage)
    with measured() as usage:
        stage.run(progress)
    lock.record(stage, usage)
    return True


def standings(build: Build, max_bytes: int | None = None) -> list[Standing]:
    """Return of each stage whether it would run, and why; changes no file.

    With `max_bytes` no more is read to compare files, and what would be more is "unknown".
    """
    hashes = Hashes(build.at.hashes, max_bytes)
    lock, changing, found = Lock(build.at.lock, hashes), set[str](), []
    for stage in stages(build):
        standing = lock.standing(stage)
        upstream = [name for name in stage.inputs if name in changing]
        if standing.state == "done" and upstream:
            standing = replace(standing, state="waits", why=(f"{', '.join(upstream)} may change",))
        if standing.state != "done":
            changing.update(stage.outputs)
        found.append(standing)
    return found


def _named(build: Build, paths: list[Path]) -> dict[str, Path]:
    """Name paths so that moving the documents or the build folder changes no lock entry."""
    inside, folder = {}, build.at.folder
    for path in paths:
        if path.is_relative_to(folder):
            inside[path.relative_to(folder).as_posix()] = path
        else:
            base = origin(build.config.base)
            inside[{build.docs: "documents", base: "base"}.get(path, "imatrix")] = path
    return inside
