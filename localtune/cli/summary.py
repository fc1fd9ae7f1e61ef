"""What a person sees at the end: the summary of a build, the result of an exam. On stdout."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from localtune.build.exam_scores import told_of_known
from localtune.build.pipeline import Result
from localtune.cli.terminal import SafeConsole, recall, summary
from localtune.declining import UNANSWERABLE
from localtune.formatting import duration, size
from localtune.lessons.grounding import declines
from localtune.report.general import told
from localtune.report.view import easy_question

LOW = 0.5  # recall under which a person should know what to do
WRONG_SHOWN = 10  # wrong answers printed by `localtune evaluate`


def show(result: Result) -> None:
    """Print what the build came to and the commands that use it."""
    exam, levels = result.scores["exam"], list(result.scores["exam"]["tuned"])
    gguf = result.folder / f"{result.name}-{levels[0]}.gguf"
    rows = [
        ("Before", recall(exam["base"], exam["intervals"]["base"])),
        *[
            ("After", f"{recall(exam['tuned'][level], exam['intervals'][level])}  {level}")
            for level in levels
        ],
        ("Exam", f"{exam['questions']} questions in wordings that were not trained on"),
        ("General", _general(result, levels[0])),
        *([("Known", known)] if (known := told_of_known(exam, levels[0])) else []),
        ("File", f"{_short(gguf)}, {size(gguf.stat().st_size)}"),
        ("Report", _short(result.folder / "report.html")),
        ("Time", _time(result)),
    ]
    if exam["tuned"][levels[0]] < LOW:
        rows.append(("Note", "It knows little yet: try a larger --base, or more --steps."))
    title = f"{result.name} is ready" if result.ran else f"{result.name}: nothing to do"
    SafeConsole(highlight=False, soft_wrap=False).print(summary(title, rows, _commands(result)))


def _general(result: Result, level: str) -> str:
    """Say what the tuning cost of the base's general English."""
    general = result.scores["general"]
    return f"{general['rise'][level]:+.2f} nats a token on general text. {told(general, level)}"


def _time(result: Result) -> str:
    total = duration(sum(result.scores["seconds"].values()))
    if not result.ran:
        return f"{duration(result.seconds)}: every stage stands as it was built (in {total})"
    if result.skipped:
        return f"{duration(result.seconds)}; {len(result.skipped)} stages stood ({total} in all)"
    return duration(result.seconds)


def _commands(result: Result) -> list[tuple[str, str]]:
    folder, question = _short(result.folder), easy_question(_answers(result))
    return [
        ("Run it", f"ollama create {result.name} -f {_short(result.folder / 'Modelfile')}"),
        ("Ask it", f'localtune ask {folder} "{question}"'),
    ]


def _answers(result: Result) -> list[dict[str, Any]]:
    """What the file that the Modelfile points to said in the exam."""
    return list(result.scores["answers"][next(iter(result.scores["exam"]["tuned"]))])


def _short(path: Path) -> str:
    """Return a path as a shell takes it, relative where that is shorter."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here)) if path.is_relative_to(here) else str(path))


def show_grade(graded: dict[str, Any]) -> None:
    """Print the recall of one exam and the first answers that were wrong."""
    wrong = [row for row in graded["answers"] if not row["correct"]]
    console = SafeConsole(highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{recall(graded['recall'], graded['interval'])} of {len(graded['answers'])} "
        f"questions answered by {_short(Path(graded['model']))}"
    )
    if kinds := by_kind(graded["answers"]):
        console.print(kinds)
    for line in _wrong_lines(wrong[:WRONG_SHOWN]):
        console.print(line)
    if len(wrong) > WRONG_SHOWN:
        console.print(f"… and {len(wrong) - WRONG_SHOWN} more; --json shows all.")


def by_kind(answers: list[dict[str, Any]]) -> str:
    """Return the right answers of each kind of question, "" where there is one kind only."""
    asked = Counter(row.get("kind", "other") for row in answers)
    if len(asked) < 2:
        return ""
    right = Counter(row.get("kind", "other") for row in answers if row["correct"])
    said = ", ".join(f"{kind} {right[kind]} of {number}" for kind, number in asked.items())
    can = [row["said"] for row in answers if row.get("kind") != UNANSWERABLE]
    declined = sum(map(declines, can))
    return f"{said}; {declined} of {len(can)} questions that have an answer were declined"


def _wrong_lines(wrong: list[dict[str, Any]]) -> Iterable[str]:
    for row in wrong:
        yield f"\n  {row['question']}"
        yield f"    wanted  {' | '.join(row['answers'])}"
        yield f"    said    {row['said']}"
