"""Recall by kind of question while training: one recipe on a build's lessons.

    python benchmarks/recipe.py BUILD QUESTIONS... [--answers FILE] [--layers 18 --rank 32 ...]

BUILD has base, lessons and soft targets (`localtune build` may be stopped when training begins);
QUESTIONS are files as `localtune evaluate --exam` takes. The answers are those of the model in
training (bfloat16 products where a build has them), not of a quantized file. Prints for each check:
steps, minutes of training alone, loss, and the right answers of each kind in each file of
questions. The last answers are written to `--answers` as JSON lines, with "said" and "correct".
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from localtune.cli.summary import by_kind
from localtune.config.stages import TrainConfig
from localtune.evaluation.recall import is_correct, read_exam
from localtune.progress import Silent
from localtune.training import train as training
from localtune.training.development import Development, ValidationRecall
from localtune.workspace import Workspace, write_jsonl


class Notes(Silent):
    """Prints notes and warnings."""

    def note(self, text: str) -> None:
        say(text)

    warn = note


class ByKind(ValidationRecall):
    """Counts right answers by kind, and never ends training early."""

    rows: list[dict[str, Any]]
    answers: Path | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._began, self._asking = time.monotonic(), 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not control.should_save:
            return
        began = time.monotonic()
        answered = [
            {**row, "said": said, "correct": is_correct(said, row["answers"])}
            for row, said in zip(self.rows, self._answers(model), strict=True)
        ]
        if self.answers:
            write_jsonl(self.answers, answered)
        trained = began - self._began - self._asking
        self._asking += time.monotonic() - began
        loss = next((r["loss"] for r in reversed(state.log_history) if "loss" in r), float("nan"))
        say(f"step {state.global_step}, {trained / 60:.1f} min, loss {loss:.2f}")
        for name in dict.fromkeys(row["set"] for row in answered):
            say(f"  {name}: {by_kind([row for row in answered if row['set'] == name])}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Parse, train, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("--answers", type=Path)
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    for name, field in fields.items():
        parser.add_argument(
            "--" + name.replace("_", "-"), type=type(field.default), default=field.default
        )
    given = vars(parser.parse_args())
    config = TrainConfig(**{name: given[name] for name in fields})
    at = Workspace(given["build"], "")
    rows = [
        {**row, "set": path.parent.name} for path in given["questions"] for row in read_exam(path)
    ]
    ByKind.rows, ByKind.answers = rows, given["answers"]
    training.ValidationRecall = ByKind  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        write_jsonl(out / "questions.jsonl", rows)
        began = time.monotonic()
        plan = training.train(
            at.base, at.lessons, out / "adapter", out / "metrics.jsonl", out / "checkpoints",
            config, Notes(), targets=at.targets,
            development=Development(out / "questions.jsonl", is_correct),
        )  # fmt: skip
    say(f"{plan}; {(time.monotonic() - began) / 60:.1f} min with checks")


if __name__ == "__main__":
    main()
