"""`localtune lessons` and `localtune exam`: what a person reads of a build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from localtune.build.job import Build
from localtune.build.pipeline import keep_settings
from localtune.cli.main import cli
from localtune.cli.reading import dropped_of, exam_of, lessons_of, sample
from localtune.config.stages import BuildConfig, QuantizeConfig
from localtune.workspace import Workspace, write_json, write_jsonl


def chat(kind: str, document: str, *turns: str) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(turns)
    said = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    return {"id": turns[0], "kind": kind, "document": document, "messages": said}


LESSONS = [
    chat("row", "fees.md", "What does a [big] locker cost?", "Locker – fee: £8"),
    chat("sentence", "yard.md", "Who keeps the keys?", "Ruben Okafor keeps the keys."),
    chat("chat", "fees.md, yard.md", "Locker?", "£8", "Keys?", "Ruben Okafor."),
    {
        "id": "t",
        "kind": "text",
        "document": "yard.md",
        "text": "Yard\n\n" + "The yard is wide. " * 90,
    },
]
EXAM = [
    {"id": "1", "question": "When does it open?", "answers": ["nine"], "kind": "item"},
    {"id": "2", "question": "Who is [bold]there[/]?", "answers": ["Vale", "Ines"]},
]
DROPPED = [
    ("not a whole question", "fees.md", "Fee for [big] lockers", "£8"),
    ("near a question of the exam", "fees.md", "What is the fee?", "£8"),
    ("not a whole question", "yard.md", "Keys", "Ruben Okafor"),
]


@pytest.fixture
def built(tmp_path: Path) -> Build:
    build = Build(
        tmp_path / "docs",
        BuildConfig(quantize=QuantizeConfig(levels=("Q4_K_M", "Q8_0"))),
        Workspace(tmp_path / "yard", "yard"),
    )
    build.at.grades.mkdir(parents=True)
    keep_settings(build)
    write_jsonl(build.at.lessons, LESSONS)
    write_jsonl(build.at.exam, EXAM)
    names = ("reason", "document", "question", "answer")
    rows = [dict(zip(names, row, strict=True)) for row in DROPPED]
    write_jsonl(build.at.dropped, [{**row, "style": "cover"} for row in rows])
    return build


def grade(build: Build, level: str, *said: str) -> None:
    rows = [{**row, "said": s, "correct": "nine" in s} for row, s in zip(EXAM, said, strict=True)]
    write_json(build.at.grade(level), {"recall": 0.5, "interval": [0.1, 0.9], "answers": rows})


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_lessons_are_counted_by_kind_and_document(built: Build) -> None:
    said = run("lessons", built.at.folder, "--show", "0").output.splitlines()
    counts = {line.split()[0]: line.split()[1] for line in said if len(line.split()) == 3}
    assert counts["row"] == counts["text"] == "1"
    assert counts["fees.md"] == "2" and counts["yard.md"] == "3"
    assert said[-1] == "4 lessons"


def test_some_lessons_are_shown_and_the_same_ones_again(built: Build) -> None:
    first = run("lessons", built.at.folder, "--show", "2")
    assert first.output == run("lessons", built.at.folder, "--show", "2").output
    others = {run("lessons", built.at.folder, "--show", "2", "--seed", n).output for n in "12345"}
    assert len(others) > 1
    everything = run("lessons", built.at.folder, "--show", "9").output
    assert "? What does a [big] locker cost?\n  → Locker – fee: £8\n" in everything
    assert " …\n" in everything


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--kind", "row"], ["What does a [big] locker cost?"]),
        (["--document", "FEES"], ["What does a [big] locker cost?", "Locker?"]),
        (["--search", "okafor"], ["Who keeps the keys?", "Locker?"]),
        (["--search", "okafor", "--kind", "chat"], ["Locker?"]),
        (["--search", "nowhere"], []),
    ],
)
def test_lessons_can_be_looked_for(built: Build, options: list[str], ids: list[str]) -> None:
    rows = json.loads(run("lessons", built.at.folder, "--json", *options).stdout)
    assert [row["id"] for row in rows] == ids


def test_json_holds_as_many_as_asked_for(built: Build) -> None:
    rows = json.loads(run("lessons", built.at.folder, "--json", "--show", "2").stdout)
    assert rows == sample(lessons_of(built.at.folder).rows, 2, 7)


def test_an_unknown_kind_names_the_known_ones(built: Build) -> None:
    said = run("lessons", built.at.folder, "--kind", "poem")
    assert said.exit_code == 1 and "row, sentence, chat, text" in said.output


def test_dropped_questions_are_counted_by_reason_and_document(built: Build) -> None:
    found = dropped_of(built.at.folder)
    assert found.all == 3
    assert {reason: number for reason, (number, _) in found.kinds.items()} == {
        "not a whole question": 2,
        "near a question of the exam": 1,
    }
    assert {name: number for name, (number, _) in found.documents.items()} == {
        "fees.md": 2,
        "yard.md": 1,
    }
    said = run("lessons", built.at.folder, "--dropped", "--show", "9").output
    assert "? Fee for [big] lockers\n  → £8\n" in said
    assert "near a question of the exam" in said and "Who keeps the keys?" not in said


@pytest.mark.parametrize(
    ("options", "questions"),
    [
        ([], ["Fee for [big] lockers", "What is the fee?", "Keys"]),
        (["--kind", "not a whole question"], ["Fee for [big] lockers", "Keys"]),
        (["--document", "yard"], ["Keys"]),
        (["--search", "okafor"], ["Keys"]),
        (["--search", "nowhere"], []),
    ],
)
def test_dropped_questions_can_be_looked_for(
    built: Build, options: list[str], questions: list[str]
) -> None:
    said = run("lessons", built.at.folder, "--dropped", "--json", *options)
    rows = json.loads(said.stdout)
    assert [row["messages"][0]["content"] for row in rows] == questions
    assert all(row["kind"] and row["document"] for row in rows)


def test_an_unknown_reason_names_the_known_ones(built: Build) -> None:
    said = run("lessons", built.at.folder, "--dropped", "--kind", "row")
    assert said.exit_code == 1 and "not a whole question" in said.output


def test_lessons_made_by_rule_have_nothing_dropped(built: Build) -> None:
    write_jsonl(built.at.dropped, [])
    assert dropped_of(built.at.folder).rows == []
    assert run("lessons", built.at.folder, "--dropped").exit_code == 0


def test_an_exam_that_was_not_asked_yet_is_shown(built: Build) -> None:
    said = run("exam", built.at.folder).output
    assert "Who is [bold]there[/]?" in said and "wanted  Vale | Ines" in said
    assert said.endswith("2 questions: 1 item, 1 no kind\nNot asked yet.\n")
    assert run("exam", built.at.folder, "--wrong").exit_code == 1


def test_an_exam_is_shown_with_what_was_said(built: Build) -> None:
    grade(built, "Q4_K_M", "At nine.", "")
    said = run("exam", built.at.folder).output
    assert "When does it open?  item  right\n" in said and "said    At nine.\n" in said
    assert "said    (nothing)" in said and "Q4_K_M answers 1 of 2: 50 % (9–91 %)" in said
    wrong = run("exam", built.at.folder, "--wrong").output
    assert "When does it open?" not in wrong and "Who is [bold]there[/]?" in wrong
    (row,) = json.loads(run("exam", built.at.folder, "--wrong", "--json").stdout)
    assert row["id"] == "2" and row["correct"] is False


def test_another_levels_answers_are_shown(built: Build) -> None:
    grade(built, "Q4_K_M", "At nine.", "")
    grade(built, "Q8_0", "At nine.", "nine")
    assert exam_of(built.at.folder)[0] == "Q4_K_M"
    level, rows = exam_of(built.at.folder, "Q8_0")
    assert level == "Q8_0" and [row["correct"] for row in rows] == [True, True]
    assert run("exam", built.at.folder, "--level", "Q2_K").exit_code == 1


def test_what_was_said_to_a_question_before_it_changed_is_not_shown(built: Build) -> None:
    grade(built, "Q4_K_M", "At nine.", "")
    write_jsonl(built.at.exam, [{**EXAM[0], "answers": ["ten"]}, EXAM[1]])
    said = run("exam", built.at.folder).output
    assert "At nine." not in said and "1 were changed since" in said


def test_a_build_without_the_files_says_what_to_do(built: Build) -> None:
    built.at.lessons.unlink()
    built.at.exam.unlink()
    built.at.dropped.unlink()
    for command in (["lessons"], ["exam"], ["lessons", "--dropped"]):
        said = run(*command, built.at.folder)
        assert said.exit_code == 1 and "localtune build" in said.output
