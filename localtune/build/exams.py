"""The exam of a build: made from the documents, or kept as a person changed it.

work/exam.made holds the SHA-256 of the exam that was made last, and of the one before it, which a
killed build may have left. Another file under the exam's name is a person's, and stays until they
remove it or ask for a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localtune.build.hashes import ABSENT, Hashes
from localtune.build.job import Build
from localtune.build.stage import Lock
from localtune.errors import EvaluationError
from localtune.progress import Progress
from localtune.workspace import read_jsonl, temporary_path, write_text

Make = Callable[[Build, Path, Progress], None]


def exam(make: Make, build: Build, progress: Progress) -> None:
    """Make the exam, unless there is one that a person changed. Raises LocaltuneError."""
    at = build.at
    if changed_by_hand(build):
        _keep(build, progress)
        return
    with temporary_path(at.exam) as temporary:
        make(build, temporary, progress)
        before = Hashes().file(at.exam)
        # Written first: a build that is killed here must not take its own exam for a person's.
        write_text(at.exam_made, f"{Hashes().file(temporary)}\n{before}\n")
        temporary.replace(at.exam)


def by_rule(build: Build, out: Path, progress: Progress) -> None:
    """Write the exam that rules make of the documents."""
    from localtune.lessons.rules.exam import write_exam

    write_exam(build.at.passages, out, build.config.exam, build.at.chats, progress)


def changed_by_hand(build: Build) -> bool:
    """Whether the exam isn't the one that was made last."""
    at = build.at
    now = Hashes().file(at.exam)
    if now == ABSENT:
        return False
    if at.exam_made.exists():
        return now not in at.exam_made.read_text(encoding="utf-8").split()
    finished = Lock(at.lock, Hashes()).finished.get("exam")
    return not finished or now not in finished["entry"]["outputs"].values()


def set_aside(build: Build) -> None:
    """Make room for a new exam; the one that is there is kept as work/exam.old.jsonl."""
    if build.at.exam.exists():
        build.at.exam.replace(build.at.exam_old)


def _keep(build: Build, progress: Progress) -> None:
    """Check a person's exam and say that it stays."""
    from localtune.evaluation.recall import read_exam

    number = len(read_exam(build.at.exam))
    if not number:
        raise EvaluationError(
            f"{build.at.exam} holds no question.",
            "Write one into it, a JSON object a line; or remove the file, and a new exam is made.",
        )
    progress.note(f"the exam was changed by hand and is kept, {number} questions")
    known = {
        row["document"] for path in (build.at.passages, build.at.chats) for row in read_jsonl(path)
    }
    asked = {row.get("document") for row in read_jsonl(build.at.exam)} - {None}
    if gone := sorted(map(str, asked - known)):
        progress.warn(f"the exam asks about {', '.join(gone[:3])}, which isn't among the documents")
    progress.note("--new-exam makes a new one from the documents")
