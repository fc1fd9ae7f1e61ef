"""The exam of a build: made, changed by a person, asked for anew; and one made of chats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from localtune.build.exams import changed_by_hand, set_aside
from localtune.build.hashes import Hashes
from localtune.build.job import Build
from localtune.build.pipeline import run_stage, stages, standings
from localtune.build.stage import Lock
from localtune.config.stages import BaseConfig, BuildConfig, ExamConfig
from localtune.errors import EvaluationError, InputError
from localtune.lessons.rules.exam import write_exam
from localtune.lessons.rules.exam_of_chats import questions_of
from localtune.progress import Silent
from localtune.workspace import Workspace, read_jsonl, write_jsonl

TEXT = """# Hall

The hall holds 240 people. The tool library opens at 08:30. A lost key costs £25.

The office has three windows.
"""
OWN = '{"question": "How many people fit into the hall?", "answers": ["240"]}\n'


class Heard(Silent):
    """Keeps what a stage says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(f"warning: {text}")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "hall.md").write_text(TEXT)
    made = Build(docs, BuildConfig(base=BaseConfig("tiny")), Workspace(tmp_path / "out", "hall"))
    made.at.work.mkdir(parents=True)
    return made


SHOWN = ("corpus", "exam", "lessons")
FIRST = ("base", "writer", *SHOWN)


def until_lessons(build: Build) -> list[str]:
    """Run the stages up to the lessons as a build does; return what was said."""
    heard, lock = Heard(), Lock(build.at.lock, Hashes(build.at.hashes))
    for stage in stages(build):
        if stage.name in FIRST:
            run_stage(stage, lock, heard)
    return heard.said


def states(build: Build) -> list[str]:
    return [standing.state for standing in standings(build) if standing.stage in SHOWN]


def asked_in_lessons(build: Build) -> list[str]:
    rows = [row.get("messages", []) for row in read_jsonl(build.at.lessons)]
    return [said["content"] for row in rows for said in row if said["role"] == "user"]


def test_an_exam_that_was_not_changed_is_made_anew(build: Build) -> None:
    assert not changed_by_hand(build)
    until_lessons(build)
    before = build.at.exam.read_bytes()
    assert not changed_by_hand(build) and states(build) == ["done"] * 3
    (build.docs / "hall.md").write_text(TEXT + "\nThe kiosk opens at 09:10.\n")
    until_lessons(build)
    assert build.at.exam.read_bytes() != before and not changed_by_hand(build)


def test_an_exam_changed_by_hand_stays_and_its_questions_are_not_taught(build: Build) -> None:
    until_lessons(build)
    taught = next(question for question in asked_in_lessons(build) if len(question.split()) > 5)
    row = json.dumps({"question": taught, "answers": ["240"]}) + "\n"
    build.at.exam.write_text(build.at.exam.read_text() + row, encoding="utf-8-sig")
    kept = build.at.exam.read_bytes()
    assert changed_by_hand(build) and states(build) == ["done", "again", "again"]
    said = until_lessons(build)
    assert any("changed by hand and is kept" in line for line in said)
    assert build.at.exam.read_bytes() == kept and states(build) == ["done"] * 3
    assert asked_in_lessons(build) and taught not in asked_in_lessons(build)


def test_it_stays_when_the_documents_change_too(build: Build) -> None:
    until_lessons(build)
    build.at.exam.write_text(OWN)
    until_lessons(build)
    (build.docs / "hall.md").rename(build.docs / "house.md")
    (build.docs / "house.md").write_text(TEXT + "\nThe kiosk opens at 09:10.\n")
    said = until_lessons(build)
    assert build.at.exam.read_text() == OWN
    assert any("--new-exam" in line for line in said)


def test_questions_about_a_document_that_is_gone_are_told(build: Build) -> None:
    until_lessons(build)
    row = {"question": "Who?", "answers": ["Vale"], "document": "gone.md"}
    build.at.exam.write_text(json.dumps(row) + "\n")
    assert any("gone.md" in line for line in until_lessons(build) if "warning" in line)


def test_a_new_exam_is_made_when_asked_for_or_when_it_was_removed(build: Build) -> None:
    until_lessons(build)
    first = build.at.exam.read_bytes()
    build.at.exam.write_text(OWN)
    until_lessons(build)
    set_aside(build)
    until_lessons(build)
    assert build.at.exam.read_bytes() == first and build.at.exam_old.read_text() == OWN
    build.at.exam.write_text(OWN)
    build.at.exam.unlink()
    until_lessons(build)
    assert build.at.exam.read_bytes() == first


def test_an_exam_that_was_there_before_the_first_build_is_a_persons(build: Build) -> None:
    build.at.exam.write_text(OWN)
    until_lessons(build)
    assert build.at.exam.read_text() == OWN


def test_a_build_killed_before_its_exam_was_in_place_takes_none_for_a_persons(build: Build) -> None:
    until_lessons(build)
    build.at.exam_made.write_text(f"{'0' * 64}\n{Hashes().file(build.at.exam)}\n")
    assert not changed_by_hand(build)


def test_the_lock_tells_where_an_older_build_wrote_no_hash(build: Build) -> None:
    until_lessons(build)
    build.at.exam_made.unlink()
    assert not changed_by_hand(build)
    build.at.exam.write_text(OWN)
    assert changed_by_hand(build)


@pytest.mark.parametrize(
    ("text", "said"), [("", "holds no question"), (OWN + "{\n", "line 2 is not JSON")]
)
def test_a_changed_exam_with_a_fault_is_refused(build: Build, text: str, said: str) -> None:
    until_lessons(build)
    build.at.exam.write_text(text)
    with pytest.raises(EvaluationError, match=said):
        until_lessons(build)
    assert build.at.exam.read_text() == text


def test_a_new_exam_does_not_make_another_build_of_it(build: Build) -> None:
    until_lessons(build)
    again = replace(build, config=replace(build.config, exam=ExamConfig(new=True)))
    assert states(again) == ["done"] * 3


def chat(asked: str, said: str, n: int = 0) -> dict[str, Any]:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return {"id": f"{n} {asked}", "document": "chats.jsonl", "messages": turns}


@pytest.mark.parametrize(
    ("asked", "said", "answers"),
    [
        ("When do you open?", "We open at 09:30, as the bus comes then.", ["09:30"]),
        ("How much is a day ticket?", "A day ticket costs £7.50 for everybody here.", ["£7.50"]),
        (
            "Who runs the kiosk?",
            "The kiosk is run by Ines Vale, who lives next door.",
            ["Ines Vale"],
        ),
        ("How many seats are there?", "There are 240 in the whole of the hall.", ["240"]),
        ("Which colour is the door?", "Dark green.", ["Dark green"]),
        (
            "When do you open?",
            "At 09:30, and on Sundays at 11:00 if it does not rain too much.",
            [],
        ),
        ("Do you open at 09:30?", "Well, that depends on the weather and on who has the key.", []),
        ("Tell me a story.", "Once upon a time there was a kiosk that nobody ran at all.", []),
    ],
)
def test_a_chat_is_asked_for_what_its_answer_can_be_graded_by(
    asked: str, said: str, answers: list[str]
) -> None:
    found = questions_of([chat(asked, said)], 10, Random(1))
    assert [row["answers"] for row in found] == ([answers] if answers else [])


def test_a_tenth_of_the_chats_is_held_back_and_never_trained_on(build: Build) -> None:
    (build.docs / "hall.md").unlink()
    nouns = "code colour weight price height keeper locker crane door barge store winch van".split()
    asked = [f"Which {' '.join(Random(n).sample(nouns, 5))}?" for n in range(64)]
    rows = [chat(question, f"It is {n}77.") for n, question in enumerate(asked)]
    write_jsonl(build.docs / "chats.jsonl", rows)
    until_lessons(build)
    exam = [row["question"] for row in read_jsonl(build.at.exam)]
    asked = asked_in_lessons(build)
    assert len(exam) == 6 and asked and not set(exam) & set(asked)


def test_chats_that_cant_be_graded_are_refused_with_a_way_out(tmp_path: Path) -> None:
    said = "Once upon a time there was a kiosk that nobody ran at all."
    write_jsonl(tmp_path / "passages.jsonl", [])
    write_jsonl(tmp_path / "chats.jsonl", [chat("Tell me a story.", said)] * 3)
    with pytest.raises(InputError, match="no statement") as caught:
        write_exam(
            tmp_path / "passages.jsonl",
            tmp_path / "exam.jsonl",
            ExamConfig(),
            tmp_path / "chats.jsonl",
        )
    assert "exam of your own" in caught.value.hint


def test_a_question_that_many_chats_nearly_ask_is_not_held_back() -> None:
    chats = [chat(f"What is the code of locker {n} in room {n % 7}?", f"{n}77") for n in range(90)]
    chats.append(chat("Which colour is the door?", "Dark green."))
    assert [row["answers"] for row in questions_of(chats, 9, Random(1))] == [["Dark green"]]
