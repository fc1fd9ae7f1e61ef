"""What came of a build: scores.json, and out of it the report and the model card."""

from __future__ import annotations

from typing import Any

from localtune.build.hashes import Hashes
from localtune.build.job import Build
from localtune.progress import Progress
from localtune.workspace import Workspace, read_json, size_of, write_json


def scores(build: Build, progress: Progress) -> None:
    """Gather the grades, the faithfulness and the seconds of every stage before this one."""
    from localtune.build.exam_scores import exam_scores
    from localtune.evaluation.forgetting import compared

    at, levels = build.at, build.levels
    grades = {which: read_json(at.grade(which)) for which in ("base", *levels)}
    general = compared({which: graded["general"] for which, graded in grades.items()})
    if (rise := general["rise"][levels[0]]) > general["most"]:
        progress.warn(
            f"the loss on general text rose by {rise:.2f} nats a token, more than "
            f"{general['most']}: the base lost some of what it could. A higher --replay keeps more."
        )
    write_json(
        at.scores,
        {
            "name": at.name,
            "base": build.config.base.base,
            "exam": exam_scores(grades, levels),
            "lessons": read_json(at.lesson_counts),
            "general": general,
            "faithful": read_json(at.faithful),
            "bytes": {level: at.level_gguf(level).stat().st_size for level in levels},
            "answers": {which: graded["answers"] for which, graded in grades.items()},
            "seconds": seconds_of(read_json(at.lock), levels),
            "used": used_of(read_json(at.lock), levels),
            "disk": {
                "adapter": size_of(at.adapter),
                **({"master": at.master.stat().st_size} if at.master.exists() else {}),
            },
            "planned": read_json(at.plan) if at.plan.exists() else {},
        },
    )


def seconds_of(finished: dict[str, Any], levels: tuple[str, ...]) -> dict[str, float]:
    """Return what each stage took, without the levels that this build doesn't make."""
    made = {"base", *levels}
    return {
        name: kept["seconds"]
        for name, kept in finished.items()
        if " " not in name or name.split()[1] in made
    }


def used_of(finished: dict[str, Any], levels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return each stage's peak memory in bytes and its joules.

    `measured` says whether a counter was read; else CPU seconds were taken at an assumed power.
    """
    from localtune.estimate.electricity import CORE_WATTS

    found = {}
    for name in seconds_of(finished, levels):
        kept = finished[name]
        counted = sum(kept.get("joules", {}).values())
        assumed = kept.get("cpu_seconds", 0.0) * CORE_WATTS
        found[name] = {
            "memory": max(kept.get("memory", 0), 0),
            "graphics_memory": kept.get("graphics_memory", 0),
            "joules": round(counted or assumed, 1),
            "measured": bool(counted),
        }
    return found


def report(build: Build, progress: Progress) -> None:
    from localtune.report import write_report

    at = build.at
    inputs = (at.scores, at.metrics, at.documents, at.exam)
    write_report(
        *inputs,
        at.report_html,
        at.card,
        ladder=ladder_of(at),
        kept=build.config.corpus.keep_private,
        progress=progress,
    )


def ladder_of(at: Workspace) -> dict[str, Any] | None:
    """Return the ladder of this very master, None where there is none."""
    ladder = read_json(at.ladder) if at.ladder.exists() else None
    master = Hashes(at.hashes).file(at.master)
    return ladder if ladder and ladder["master"]["sha256"] == master else None
