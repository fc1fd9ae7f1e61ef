"""Levels of a build folder: made anew from its master, or compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtune.build import job
from localtune.build.hashes import Hashes
from localtune.build.job import Build
from localtune.build.open_build import open_build
from localtune.build.pipeline import check_before, keep_settings, run_stage, stages, standings
from localtune.build.stage import Lock
from localtune.build.steps import imatrix_of, make_level
from localtune.config.stages import QuantizeConfig
from localtune.errors import ConfigError, InputError
from localtune.evaluation.ladder import recommend, sit, stray
from localtune.evaluation.recall import read_exam
from localtune.export.levels import quantize_file
from localtune.llama.level_names import LEVELS, check_levels
from localtune.machine.cores import use_threads
from localtune.progress import Progress
from localtune.report.charts import standalone
from localtune.report.ladder import ladder_chart
from localtune.template_files import templates_folder
from localtune.workspace import no_room_is_an_error, temporary_path, write_json, write_text

# What `localtune ladder` compares besides a build's own levels.
CHOICE = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K")


def quantize_build(
    folder: Path, options: dict[str, Any], out: Path | None, progress: Progress
) -> list[Path]:
    """Make levels of a build; return their files.

    `options` are those of [quantize] that were given; the others are the build's. Without `out`
    the files become the build's own. Raises LocaltuneError.
    """
    build = open_build(folder)
    chosen = replace(build.config.quantize, **options)
    if out is None:
        return requantize(build, chosen, progress)
    build = replace(build, config=replace(build.config, quantize=chosen))
    check_before(build)
    with build.at.hold():
        run_some(build, ["imatrix"], progress)
    matrices = {imatrix_of(build, level) for level in chosen.levels} - {None}
    matrix = str(matrices.pop()) if matrices else ""
    return quantize_file(build.at.master, replace(chosen, imatrix=matrix), out, progress)


def climb(folder: Path, levels: tuple[str, ...], progress: Progress) -> dict[str, Any]:
    """Compare levels of a build with its master; write and return work/ladder.json.

    Without `levels` those of the build and a choice. A level that the build lacks is made in work/
    and removed again. Raises LocaltuneError.
    """
    build = open_build(folder)
    check_levels(levels, "--levels")
    levels = levels or tuple(dict.fromkeys([*build.config.quantize.levels, *CHOICE]))
    levels = tuple(sorted(levels, key=LEVELS.index))
    wanted = replace(build.config.quantize, levels=levels)
    build = replace(build, config=replace(build.config, quantize=wanted))
    check_before(build)
    threads = use_threads(build.config.train.threads)
    with threads, build.at.hold(), no_room_is_an_error(build.at.folder):
        run_some(build, ["imatrix"], progress)
        found = _compare(build, progress)
        write_json(build.at.ladder, found)
        style = (templates_folder() / "report.css").read_text(encoding="utf-8")
        write_text(build.at.ladder_picture, standalone(ladder_chart(found), style))
        if build.at.scores.exists():
            run_some(build, ["report"], progress)
    return found


def _compare(build: Build, progress: Progress) -> dict[str, Any]:
    """Measure the master and every level of a build."""
    from localtune.llama.llama import Model

    at, asking, system = build.at, build.config.grade, build.config.chat.system
    rows = read_exam(at.exam)
    states = {standing.stage: standing.state for standing in standings(build)}
    master = Model(at.master, context=asking.context)
    progress.stage("master")
    exam = sit(master, rows, asking.max_answer_tokens, progress, system)
    rungs = []
    for level in build.config.quantize.levels:
        progress.stage(level)
        own = states[f"quantize {level}"] == "done"
        with _file(build, level, own, progress) as (file, why):
            rungs.append({"level": level, "own": own, **({"why": why} if why else {})})
            if not why:
                model = Model(file, context=asking.context)
                rungs[-1]["bytes"] = file.stat().st_size
                rungs[-1] |= sit(model, rows, asking.max_answer_tokens, progress, system).rung
                rungs[-1] |= stray(master, model, exam.texts, progress)
    rung = {"level": "BF16 master", "bytes": at.master.stat().st_size, **exam.rung}
    level, why = recommend(rung, rungs)
    return {
        "questions": len(rows),
        "master": {**rung, "sha256": Hashes(at.hashes).file(at.master)},
        "levels": rungs,
        "recommended": level,
        "why": why,
    }


@contextmanager
def _file(build: Build, level: str, own: bool, progress: Progress) -> Iterator[tuple[Path, str]]:
    """Yield a level's file, made for now where the build has none; or why it can't be made."""
    if own:
        yield build.at.level_gguf(level), ""
        return
    with temporary_path(build.at.work / build.at.level_gguf(level).name) as file:
        try:
            make_level(build, level, file, progress)
        except ConfigError as error:
            yield file, error.message
            return
        yield file, ""


def requantize(build: Build, chosen: QuantizeConfig, progress: Progress) -> list[Path]:
    """Make levels from the master, point the Modelfile to the first, and return their files.

    The levels that the build has stay. Raises InputError where the master is gone.
    """
    others = [known for known in build.config.quantize.levels if known not in chosen.levels]
    settings = replace(chosen, levels=(*chosen.levels, *others))
    changed = replace(build, config=replace(build.config, quantize=settings))
    check_before(changed)
    with build.at.hold(), no_room_is_an_error(build.at.folder):
        names = [f"quantize {level}" for level in chosen.levels]
        run_some(changed, ["imatrix", *names, "modelfile"], progress)
        keep_settings(changed)
    return [build.at.level_gguf(level) for level in chosen.levels]


def run_some(build: Build, names: Sequence[str], progress: Progress) -> None:
    """Run the named stages that must run; the build folder is held by who calls.

    Raises InputError where the master is gone.
    """
    if build.config.export.adapter_only:
        raise InputError(
            f"{build.at.folder} ships an adapter alone, which has no levels.",
            "Build again without --adapter-only.",
        )
    if not build.at.master.exists():
        raise InputError(
            f"{build.at.master} isn't there; every level is made from it.",
            job.AGAIN,
        )
    lock = Lock(build.at.lock, Hashes(build.at.hashes))
    for stage in stages(build):
        if stage.name in names:
            run_stage(stage, lock, progress)
    lock.hashes.save()
