"""Lessons that a writer writes: what becomes a lesson, what is counted, what is kept out."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_writer import Heard, ScriptedWriter, lines

from localtune.config.stages import LessonsConfig
from localtune.lessons.grounding import declines
from localtune.lessons.kept_back import KeptBack
from localtune.lessons.similarity import ExamQuestions
from localtune.lessons.teacher.collection import NEAR_EXAM
from localtune.lessons.teacher.lessons import LessonFiles, write_lessons_with
from localtune.llama.writing import Completion, NotUsableError
from localtune.progress import Progress, Silent
from localtune.prompts import Message
from localtune.workspace import read_jsonl, write_jsonl

Row = dict[str, Any]
NAMES = ("Amber", "Birch", "Cedar", "Dune", "Ember", "Fern", "Gorse", "Hazel")
QUICK = LessonsConfig(effort="quick", replay=0.0)
VALUES = {"opens": r"\d+:10", "lifts": r"\d+ tonnes", "bakes": r"\d+ loaves"}
ASKED = {
    "opens": ("When does the gate of the {} Pier open?", "At what time is the {} Pier open?"),
    "lifts": ("How much does the crane of the {} Pier lift?", "What can the {} Pier crane lift?"),
    "bakes": ("How many loaves bakes the {} Pier?", "What does the {} Pier bakery bake?"),
}


def pier(name: str, n: int) -> Row:
    """Return a passage about a pier, with a crane or a bakery."""
    second = (
        f"The crane of the {name} Pier lifts {n + 20} tonnes."
        if n % 2
        else f"The bakery of the {name} Pier bakes {n + 40} loaves."
    )
    text = f"The gate of the {name} Pier opens at {n + 5}:10. {second}"
    row = {"id": name, "document": f"{name}.md", "title": "Harbour", "headings": [], "text": text}
    return {**row, "tokens": 30}


def about(shown: str, task: str) -> str:
    """Write two questions about each value, in words that depend on the task."""
    (name,) = set(re.findall(r"(\w+) Pier", shown))
    found = []
    for verb, pattern in VALUES.items():
        if value := re.search(rf"{verb}.*?({pattern})", shown):
            begin = ("", "Please: ", "Tell me: ")[len(task) % 3]
            found += [(begin + asked.format(name), value[1]) for asked in ASKED[verb]]
    return lines(*found)


def confirm(shown: str, task: str) -> str:
    (name,) = re.findall(r"(\w+) Pier", task)
    verb = next(verb for verb in ("opens", "lifts", "bakes") if verb[:3] in task)
    value = re.search(rf"{name} Pier {verb}.*?({VALUES[verb]})", shown)
    return value[1] if value else "not stated"


def judge(shown: str, task: str) -> str:
    return "yes" if "\nAnswer: " in task or confirm(shown, task) != "not stated" else "no"


def teacher() -> ScriptedWriter:
    return ScriptedWriter(pairs=about, answer=confirm, judge=judge)


def files(folder: Path, rows: list[Row] | None = None, exam: tuple[str, ...] = ()) -> LessonFiles:
    rows = rows if rows is not None else [pier(name, n) for n, name in enumerate(NAMES)]
    write_jsonl(folder / "passages.jsonl", rows)
    write_jsonl(folder / "exam.jsonl", [{"question": question} for question in exam])
    return LessonFiles(
        passages=folder / "passages.jsonl",
        exam=folder / "exam.jsonl",
        lessons=folder / "lessons.jsonl",
        ledgers=folder / "ledgers",
        chats=None,
        allow=(),
        system="",
        dropped=folder / "dropped.jsonl",
        counts=folder / "counts.json",
    )


def write(
    where: LessonFiles,
    writer: ScriptedWriter | None = None,
    base: Any = None,
    config: LessonsConfig = QUICK,
    progress: Progress = Silent(),
) -> list[Row]:
    number = write_lessons_with(writer or teacher(), base, where, config, progress)
    rows = list(read_jsonl(where.lessons))
    assert len(rows) == len({row["id"] for row in rows})
    assert number == len([row for row in rows if "text" not in row or row["kind"] != "replay"])
    return rows


def exchanges(rows: list[Row]) -> list[tuple[str, str]]:
    """Return every (question, answer) of the conversations."""
    found = []
    for row in rows:
        said = [m["content"] for m in row.get("messages", []) if m["role"] != "system"]
        found += list(zip(said[::2], said[1::2], strict=True))
    return found


def test_pairs_near_misses_and_passages_become_lessons(tmp_path: Path) -> None:
    where = files(tmp_path)
    rows = write(where)
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["text"] and kinds["chat"]
    texts = [row["text"] for row in rows if row["kind"] == "text"]
    for passage in read_jsonl(where.passages):
        assert any(passage["text"].split(". ")[0] in text for text in texts)
    known = {row["id"]: row["text"] for row in read_jsonl(where.passages)}
    declined = 0
    for question, answer in exchanges(rows):
        (name,) = re.findall(r"(\w+) Pier", question)
        declined += declines(answer) or "documents" in answer
        assert answer in known[name] or "documents" in answer
    counts = json.loads(where.counts.read_text())
    assert declined == counts["near_misses"] > 0
    assert declined <= 0.2 * len(exchanges(rows))


def test_conversations_have_several_questions_and_alternate(tmp_path: Path) -> None:
    rows = [row for row in write(files(tmp_path)) if "messages" in row]
    lengths = Counter(len(row["messages"]) // 2 for row in rows)
    assert len(lengths) > 2
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        named = {name for name in NAMES if f"{name} Pier" in str(row["messages"])}
        assert {f"{name}.md" for name in named} == set(row["document"].split(", "))


def test_a_system_prompt_is_in_front_of_every_conversation(tmp_path: Path) -> None:
    rows = write(replace(files(tmp_path), system="You know the piers."))
    first = [row["messages"][0] for row in rows if "messages" in row]
    assert first and all(
        message == {"role": "system", "content": "You know the piers."} for message in first
    )


def test_near_misses_are_declined_in_the_language_of_their_document(tmp_path: Path) -> None:
    where = replace(files(tmp_path), languages=tuple((f"{name}.md", "de") for name in NAMES))
    answers = [a for _, a in exchanges(write(where)) if not re.search(r"\d", a)]
    assert answers and all("Dokumente" in answer for answer in answers)
    other = replace(files(tmp_path / "2"), languages=(("Amber.md", "xx"),))
    answers = [a for _, a in exchanges(write(other)) if not re.search(r"\d", a)]
    assert answers and all("documents" in answer for answer in answers)


def test_no_question_comes_near_the_exam(tmp_path: Path) -> None:
    asked = ASKED["opens"][0].format("Cedar")
    where = files(tmp_path, exam=(asked,))
    rows, exam = write(where), ExamQuestions([asked])
    assert exchanges(rows) and not any(exam.is_near(question) for question, _ in exchanges(rows))
    dropped = list(read_jsonl(where.dropped))
    assert any(row["reason"] == NEAR_EXAM and "Cedar" in row["question"] for row in dropped)


def test_dropped_pairs_are_kept_for_a_look_with_their_reason(tmp_path: Path) -> None:
    def with_mistakes(shown: str, task: str) -> str:
        return about(shown, task) + "\n" + lines(("Who runs the harbour office?", "Mirlo Banquist"))

    where = files(tmp_path)
    heard = Heard()
    rows = write(where, ScriptedWriter(pairs=with_mistakes, answer=confirm), progress=heard)
    assert not any("Banquist" in answer for _, answer in exchanges(rows))
    dropped = list(read_jsonl(where.dropped))
    wrong = [row for row in dropped if row["answer"] == "Mirlo Banquist"]
    assert wrong and all(row["reason"] and row["document"] and row["style"] for row in wrong)
    counts = json.loads(where.counts.read_text())
    assert counts["pairs"] - counts["kept"] >= len(wrong)
    assert sum(counts["dropped"].values()) == len(dropped)
    assert any(f"dropped: {max(counts['dropped'].values())} " in note for note in heard.noted)


def test_the_counts_say_how_much_of_the_documents_is_asked_about(tmp_path: Path) -> None:
    where, heard = files(tmp_path), Heard()
    write(where, progress=heard)
    counts = json.loads(where.counts.read_text())
    assert counts["writer"] == "scripted" and counts["facts"] == 4 * len(NAMES)
    assert counts["facts"] >= counts["asked_about"] >= counts["asked_about_often"] > 0
    assert 0 < counts["kept"] <= counts["pairs"]
    assert any("facts" in note and "are asked about" in note for note in heard.noted)


@pytest.mark.parametrize("reply", ["I would rather not.", lines(("Who is it?", "Mirlo Banquist"))])
def test_a_writer_of_which_nothing_can_be_kept_is_an_error(tmp_path: Path, reply: str) -> None:
    where = files(tmp_path)
    writer = ScriptedWriter(pairs=lambda *_: reply, answer=confirm)
    with pytest.raises(NotUsableError, match=r"scripted writes .* cannot be used: 0 of") as raised:
        write(where, writer)
    assert "--teacher" in raised.value.hint and not where.lessons.exists()
    assert ("Banquist" not in reply) or "dropped:" in raised.value.message


def test_lessons_are_the_same_again_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    where = files(tmp_path)
    first, second = teacher(), teacher()
    rows = write(where, first)
    before = where.lessons.read_bytes()
    assert write(where, second) == rows and where.lessons.read_bytes() == before
    assert first.asked and not second.asked


def test_what_a_removed_document_said_leaves_the_ledger(tmp_path: Path) -> None:
    where = files(tmp_path)
    write(where)
    ledger = where.ledgers / "lessons.jsonl"
    assert "12:10" in ledger.read_text()
    write_jsonl(where.passages, list(read_jsonl(where.passages))[:-1])
    rows = write(where)
    assert "12:10" not in ledger.read_text()
    assert not any("Hazel" in question for question, _ in exchanges(rows))


def words_of(rows: list[Row]) -> int:
    said = [row.get("text") or " ".join(m["content"] for m in row["messages"]) for row in rows]
    return sum(len(text.split()) for text in said)


class Base:
    """A base that answers general prompts."""

    identity, parallel = "base", 2

    def __init__(self) -> None:
        self.asked: list[list[Message]] = []

    def write(self, messages: list[Message], **options: Any) -> Completion:
        self.asked.append(messages)
        return Completion("It depends on the weather.", True)


def test_the_bases_own_answers_are_mixed_in(tmp_path: Path) -> None:
    where, base = replace(files(tmp_path), system="You know the piers."), Base()
    config = replace(QUICK, replay=0.4)
    rows = write(where, base=base, config=config)
    replayed = [row for row in rows if row["kind"] == "replay"]
    answers = [row for row in replayed if "messages" in row]
    assert 0 < len(answers) == len(base.asked) < len(replayed)
    assert words_of(replayed) == pytest.approx(0.4 * words_of(rows), rel=0.1)
    for row in answers:
        assert row["targets"] == "alone" and row["document"] == ""
        assert row["messages"][-1]["content"] == "It depends on the weather."
    assert all(messages[0]["role"] == "system" for messages in base.asked)
    again = Base()
    assert write(where, base=again, config=config) == rows and not again.asked


def test_chats_that_a_user_brought_stay_as_they_are(tmp_path: Path) -> None:
    asked = ASKED["opens"][0].format("Cedar")
    where = files(tmp_path, exam=(asked,))
    chats = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
        for text in ("Is the water cold at the Amber Pier?", asked)
    ]
    write_jsonl(
        tmp_path / "chats.jsonl",
        [{"id": str(n), "document": "c", "messages": chat} for n, chat in enumerate(chats)],
    )
    rows = write(replace(where, chats=tmp_path / "chats.jsonl"))
    brought = [row["messages"] for row in rows if row.get("document") == "c"]
    assert brought == chats[:1]


def test_pairs_of_facts_with_enough_others_are_validation_questions(tmp_path: Path) -> None:
    rows = [pier(f"{name}{n}", n) for n in range(4) for name in NAMES]
    where = replace(files(tmp_path, rows), development=tmp_path / "development.jsonl")
    assert where.development

    def in_many_words(shown: str, task: str) -> str:
        begins = ("So", "Well", "Now", "Hello", "Dear all")
        asked = [line for line in about(shown, task).splitlines() if line.startswith("Q: ")]
        said = [line for line in about(shown, task).splitlines() if line.startswith("A: ")]
        pairs = zip(asked, said, strict=True)
        return "\n".join(f"Q: {b}, {q[3:]}\n{a}" for q, a in pairs for b in begins)

    lessons = write(where, ScriptedWriter(pairs=in_many_words, answer=confirm, judge=judge))
    aside = list(read_jsonl(where.development))
    assert 20 <= len(aside) <= 40
    asked = exchanges(lessons)
    held = KeptBack(aside)
    assert asked and not any(held.is_near(question, answer) for question, answer in asked)
    for row in aside:
        (name,) = re.findall(r"(\w+) Pier", row["question"])
        assert row["document"] == f"{name}.md" and len(row["answers"]) == 1


def test_too_few_pairs_leave_none_for_validation(tmp_path: Path) -> None:
    where = replace(files(tmp_path), development=tmp_path / "development.jsonl")
    write(where)
    assert where.development and not list(read_jsonl(where.development))
