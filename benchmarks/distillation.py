"""Soft targets against plain cross-entropy on the built-in base: recall by training steps.

Run `python benchmarks/distillation.py [--steps 80,160] [--teacher 800] [--seeds 7,8,9]`: steps of
1,024 tokens. Every row is trained anew from the base on the same lessons, once a seed, which draws
their order and LoRA's beginning: the same for every row. Printed is each seed's recall and their
mean. The teachers: the base with the passage in view (what a lesson of the mode `self` asks for),
and a base that was tuned on the lessons by cross-entropy for --teacher steps. Recall is that of the
merged BF16 file.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localtune.build.grading import grade_gguf
from localtune.config.stages import (
    BaseConfig,
    CorpusConfig,
    ExamConfig,
    GradeConfig,
    LessonsConfig,
    TrainConfig,
)
from localtune.corpus import Artefacts, read_corpus
from localtune.export.convert import convert
from localtune.export.merge import merge
from localtune.lessons.rules.exam import write_exam
from localtune.lessons.rules.structure import write_lessons
from localtune.progress import Silent
from localtune.training.targets import write_targets
from localtune.training.train import train
from localtune.workspace import read_jsonl, write_jsonl

EXAMPLES = Path(__file__).parents[1] / "examples" / "handbook"
DOCUMENTS = ("faq.md", "freight.md", "safety.md")  # as much as so few steps can teach
STEP = 1024  # tokens
MAX_LENGTH = 256
Lesson = dict[str, Any]


def say(line: str) -> None:
    """Write one line now, so that a long run shows where it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def prepare(work: Path) -> list[Lesson]:
    """Read some documents, write the exam, and return lessons of one exchange about a passage."""
    documents = work / "documents"
    documents.mkdir()
    for name in DOCUMENTS:
        shutil.copyfile(EXAMPLES / name, documents / name)
    names = ("documents", "passages", "chats", "removed", "readings")
    read_corpus(documents, Artefacts(*(work / f"{n}.jsonl" for n in names)), CorpusConfig())
    passages, exam, lessons = (work / f"{n}.jsonl" for n in ("passages", "exam", "made"))
    write_exam(passages, exam, ExamConfig())
    write_lessons(passages, exam, lessons, LessonsConfig(replay=0.0))
    held = list(read_jsonl(passages))
    return [row for row in read_jsonl(lessons) if about(row, held)]


def about(lesson: Lesson, passages: list[dict[str, Any]]) -> bool:
    """Give a lesson the passage that holds its answer; return whether one does."""
    if len(lesson.get("messages", ())) != 2:
        return False
    answer = lesson["messages"][1]["content"]
    found = (row["id"] for row in passages if answer in row["text"])
    lesson["passage"] = next(found, "")
    return bool(lesson["passage"])


def asking(lessons: Iterable[Lesson], kind: str) -> list[Lesson]:
    """Return the lessons asking for a kind of soft targets, "" for none."""
    return [{**row, "targets": kind} if kind else row for row in lessons]


def tuned(work: Path, steps: int, seed: int) -> Path:
    """Train on work/lessons.jsonl and work/targets.safetensors; return the adapter."""
    out = (work / "adapter", work / "metrics.jsonl", work / "checkpoints")
    config = TrainConfig(steps=steps, max_length=MAX_LENGTH, batch_tokens=STEP, seed=seed)
    train(base(), work / "lessons.jsonl", *out, config, targets=work / "targets.safetensors")
    return work / "adapter"


def base() -> Path:
    """Return the built-in base."""
    folder = BaseConfig("tiny").folder()
    assert folder
    return folder


def recall(work: Path, adapter: Path) -> float:
    """Return the share of the exam that base and adapter answer."""
    convert(base(), work / "tuned.gguf", adapter=adapter)
    graded = grade_gguf(work / "tuned.gguf", work / "exam.jsonl", GradeConfig(), Silent())
    return float(graded["recall"])


def teach(work: Path, lessons: list[Lesson], teacher: Path, kind: str) -> None:
    """Write lessons.jsonl, and what a teacher thinks of them where they ask for it."""
    write_jsonl(work / "lessons.jsonl", asking(lessons, kind))
    files = ("lessons.jsonl", "passages.jsonl", "targets.safetensors", "parts")
    write_targets(teacher, *(work / name for name in files), MAX_LENGTH)


def main() -> None:
    """Train the teacher, then every student, and print the table."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--steps", default="80,160")
    ask.add_argument("--teacher", type=int, default=800)
    ask.add_argument("--seeds", default="7,8,9")
    ask.add_argument("--lessons", type=int, default=4000)
    a = ask.parse_args()
    budgets, seeds = ([int(n) for n in some.split(",")] for some in (a.steps, a.seeds))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        lessons = prepare(work)[: a.lessons]
        say(f"{len(lessons):,} lessons; recall after {budgets} steps")
        teach(work, lessons, base(), "")
        expert = tuned(work, a.teacher, seeds[0])
        say(f"teacher, {a.teacher} steps of cross-entropy: {recall(work, expert):.2f}")
        merge(base(), expert, work / "teacher")
        for name, teacher, kind in (
            ("cross-entropy", base(), ""),
            ("top-20 of the tuned teacher", work / "teacher", "alone"),
            ("top-20 of the base, passage in view", base(), "passage"),
        ):
            teach(work, lessons, teacher, kind)
            for steps in budgets:
                found = [recall(work, tuned(work, steps, seed)) for seed in seeds]
                each = " ".join(f"{one:.2f}" for one in found)
                say(f"{name:36} {steps:4} steps: {each}, mean {sum(found) / len(found):.2f}")


if __name__ == "__main__":
    main()
