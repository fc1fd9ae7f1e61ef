"""What a build of the built-in base answers: its own exam, and a person's questions by kind.

Run `python benchmarks/recall.py [FOLDER]`: builds examples/handbook and tests/second_organisation
below FOLDER (default: a temporary one), about five minutes each on two cores. Names are kept, since
the person's questions ask for them and nobody's are in these documents.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import localtune
from localtune.build.grading import grade_model
from localtune.build.models import load
from localtune.build.open_build import open_build, shipped
from localtune.cli.terminal import progress_for_stderr, recall
from localtune.evaluation.recall import wilson
from localtune.progress import Silent

ROOT = Path(__file__).parents[1]
SETS = {
    "handbook": (ROOT / "examples" / "handbook", None),
    "second": (
        ROOT / "tests" / "second_organisation" / "documents",
        ROOT / "tests" / "second_organisation" / "questions.jsonl",
    ),
}


def by_kind(folder: Path, questions: Path) -> dict[str, list[bool]]:
    """Ask the shipped file a person's questions; return right and wrong by the questions' kind."""
    build = open_build(folder)
    asking = build.config.grade
    model = load(build, shipped(build), asking.context)
    found: dict[str, list[bool]] = defaultdict(list)
    for row in grade_model(model, questions, asking, Silent())["answers"]:
        found["all"].append(row["correct"])
        found[row.get("kind") or "other"].append(row["correct"])
    return found


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def shown(right: int, asked: int) -> str:
    """Write the share with its 95 % interval, and the counts."""
    return f"{recall(right / asked, list(wilson(right, asked)))}, {right} of {asked}"


def main(below: Path) -> None:
    """Build each set, or take the build that is there, and print a line for each figure."""
    for name, (docs, questions) in SETS.items():
        built = localtune.build(
            docs,
            below / name,
            base="tiny",
            quantize="Q4_K_M",
            keep_private=True,
            progress=progress_for_stderr(),
        )
        exam = built.scores["exam"]
        say(f"{name}: own exam {recall(exam['tuned']['Q4_K_M'], exam['intervals']['Q4_K_M'])}")
        say(f"{name}: built in {sum(built.scores['seconds'].values()):.0f} s")
        for kind, answers in by_kind(below / name, questions).items() if questions else ():
            say(f"{name}: a person's questions, {kind}: {shown(sum(answers), len(answers))}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
