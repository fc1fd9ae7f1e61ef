"""The exam that a writer writes: which questions are chosen, and which answers count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from scripted_writer import Heard, ScriptedWriter, lines

from localtune.config.stages import ExamConfig
from localtune.evaluation.recall import is_correct, read_exam
from localtune.lessons.similarity import words
from localtune.lessons.teacher.exam import MAX_ANSWER_WORDS, ExamFiles, write_exam_with
from localtune.lessons.teacher.facts import facts_in
from localtune.lessons.teacher.sections import sections_of
from localtune.llama.writing import NotUsableError
from localtune.progress import Progress, Silent
from localtune.workspace import read_jsonl, write_jsonl

Row = dict[str, Any]
THINGS = (
    "crane ferry anchor winch lantern ladder hammer barrel cutter trawler buoy jetty rudder "
    "compass whistle blanket kettle saddle bucket shovel"
).split()
STATED = re.compile(r"The price of the (\w+) is (\d+) crowns")


def text_about(first: int, number: int) -> str:
    return "\n\n".join(
        f"The price of the {THINGS[n]} is {n + 30} crowns." for n in range(first, first + number)
    )


def passages(*numbers: int) -> list[Row]:
    """Return a passage of each document, with as many facts as given."""
    rows, first = list[Row](), 0
    for i, number in enumerate(numbers):
        rows.append(
            {
                "id": f"p{i}",
                "document": f"{i}.md",
                "title": f"Prices {i}",
                "headings": [],
                "text": text_about(first, number),
            }
        )
        first += number
    return rows


def by_rule(shown: str, task: str) -> str:
    """Ask for each price; what a question begins with depends on the task."""
    begin = ("How much must I pay for a", "What price has the", "What is due for the")
    return lines(
        *(
            (f"{begin[len(task) % 3]} {thing}?", f"{price} crowns")
            for thing, price in STATED.findall(shown)
        )
    )


def confirm(shown: str, task: str) -> str:
    """Answer from the text, or say that it states nothing."""
    found = [f"{p} crowns" for thing, p in STATED.findall(shown) if thing in task]
    return found[0] if found else "not stated"


def files(folder: Path, rows: Iterable[Row]) -> ExamFiles:
    write_jsonl(folder / "passages.jsonl", rows)
    return ExamFiles(
        *(folder / f"{name}.jsonl" for name in ("passages", "exam", "known", "ledger"))
    )


def knows_nothing(rows: list[Row], progress: Progress) -> set[str]:
    return set()


def no_rules(number: int) -> list[Row]:
    return []


def write(
    folder: Path,
    rows: list[Row],
    writer: ScriptedWriter | None = None,
    questions: int = 100,
    **more: Any,
) -> list[Row]:
    """Write an exam and return its questions."""
    where = files(folder, rows)
    settings: dict[str, Any] = {"knows": knows_nothing, "fill": no_rules, "progress": Silent()}
    settings |= more
    number = write_exam_with(
        writer or ScriptedWriter(pairs=by_rule, answer=confirm),
        settings["knows"],
        settings["fill"],
        where,
        ExamConfig(questions=questions),
        settings["progress"],
    )
    exam = list(read_jsonl(where.exam))
    assert number == len(exam) == len({row["id"] for row in exam})
    return exam


def test_there_is_a_question_for_three_facts_and_at_most_as_many_as_are_asked_for(
    tmp_path: Path,
) -> None:
    rows = passages(9, 6, 3)
    total = sum(map(len, facts_in(sections_of(rows)).values()))
    assert total == 18
    assert len(write(tmp_path, rows)) == 6
    assert len(write(tmp_path, rows, questions=4)) == 4


def test_documents_are_asked_about_in_proportion_to_their_facts(tmp_path: Path) -> None:
    exam = write(tmp_path, passages(10, 6, 2))
    counts = Counter(row["document"] for row in exam)
    assert counts["0.md"] > counts["1.md"] >= counts["2.md"] >= 1


def test_every_document_is_asked_about_while_there_are_questions_enough(tmp_path: Path) -> None:
    exam = write(tmp_path, passages(14, 1, 1, 1))
    assert {row["document"] for row in exam} == {f"{n}.md" for n in range(4)}


def test_answers_stand_in_their_section_word_for_word(tmp_path: Path) -> None:
    def loose(shown: str, task: str) -> str:
        (thing, price), *_ = STATED.findall(shown)
        return lines(
            (f"What is the price of the {thing}?", f"{price} crowns."),
            (f"What do I pay for the {thing}?", f"crowns {price}"),
            (f"What does the {thing} cost?", "The price is fair."),
            (f"What are {price} crowns the price of?", f"{price} crowns"),
            (f"How is the {thing} priced?", " ".join(["The price of the", thing, "is"] * 4)),
        )

    rows = passages(3, 3, 3, 3)
    exam = write(tmp_path, rows, ScriptedWriter(pairs=loose, answer=confirm))
    texts = {row["document"]: " ".join(words(row["text"])) for row in rows}
    assert {row["question"].split()[-1] for row in exam} <= {f"{thing}?" for thing in THINGS}
    for row in exam:
        (answer,) = row["answers"]
        assert " ".join(words(answer)) in texts[row["document"]]
        assert len(words(answer)) <= MAX_ANSWER_WORDS
        assert " ".join(words(answer)) not in " ".join(words(row["question"]))


@pytest.mark.parametrize("second", ["99 crowns", "not stated", "It is a matter of crowns."])
def test_an_answer_that_a_second_one_does_not_hold_is_not_used(tmp_path: Path, second: str) -> None:
    def doubtful(shown: str, task: str) -> str:
        return second if "crane" in task else confirm(shown, task)

    exam = write(tmp_path, passages(3, 9), ScriptedWriter(pairs=by_rule, answer=doubtful))
    assert exam and not any("crane" in row["question"] for row in exam)


def test_rows_name_where_they_come_from(tmp_path: Path) -> None:
    rows = passages(9, 9)
    exam = write(tmp_path, rows)
    sections = {section.id: section for section in sections_of(rows)}
    for row in exam:
        section = sections[row["section"]]
        assert (row["document"], row["passage"]) == (section.document, section.passage)
    assert {row["kind"] for row in exam} <= {"direct", "paraphrase", "reverse", "unanswerable"}
    assert [row["question"] for row in read_exam(tmp_path / "exam.jsonl")] == [
        row["question"] for row in exam
    ]


def test_what_the_base_knows_goes_to_a_second_list(tmp_path: Path) -> None:
    def knows(rows: list[Row], progress: Progress) -> set[str]:
        return {row["id"] for row in rows if "crane" in row["question"]}

    exam = write(tmp_path, passages(9, 9), knows=knows)
    known = list(read_jsonl(tmp_path / "known.jsonl"))
    assert known and all("crane" in row["question"] for row in known)
    assert exam and not any("crane" in row["question"] for row in exam)


def test_rules_fill_up_what_the_writer_could_not_make(tmp_path: Path) -> None:
    def little(shown: str, task: str) -> str:
        crane = shown.partition("\n\nThe price of the ferry")[0]
        return by_rule(crane, task) if "crane" in crane else lines(("Eh?", "Eh."))

    wanted: list[int] = []

    def fill(number: int) -> list[Row]:
        wanted.append(number)
        rule = {"document": "1.md", "kind": "direct"}
        asked = [f"Which number belongs to the {thing}?" for thing in THINGS[3:]]
        return [
            {"id": f"r{n}", "question": question, "answers": [f"{n + 33} crowns"], **rule}
            for n, question in enumerate(asked)
        ]

    heard = Heard()
    writer = ScriptedWriter(pairs=little, answer=confirm)
    exam = write(tmp_path, passages(3, 15), writer, fill=fill, progress=heard)
    by_hand = [row for row in exam if row["id"].startswith("r")]
    assert len(exam) == 6 == wanted[0] and 0 < len(by_hand) < 6
    assert any(f"{len(by_hand)} exam questions are made by rule" in note for note in heard.noted)


def test_a_writer_that_makes_enough_needs_no_rules(tmp_path: Path) -> None:
    def fill(number: int) -> list[Row]:
        raise AssertionError("no rules were needed")

    assert len(write(tmp_path, passages(20), questions=4, fill=fill)) == 4


def test_too_few_questions_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=lambda *_: "I would rather not.", answer=confirm)
    with pytest.raises(NotUsableError, match="scripted wrote for the exam no question") as raised:
        write(tmp_path, passages(9), writer)
    assert "--teacher" in raised.value.hint and not (tmp_path / "exam.jsonl").exists()


def test_no_two_questions_ask_for_the_same_in_nearly_the_same_words(tmp_path: Path) -> None:
    def twice(shown: str, task: str) -> str:
        found = STATED.findall(shown)
        asked = [
            (f"What is the price of the {thing}?", f"{price} crowns") for thing, price in found
        ]
        return lines(*asked, *((f"So, what is {q[8:]}", a) for q, a in asked))

    exam = write(tmp_path, passages(9, 3), ScriptedWriter(pairs=twice, answer=confirm))
    assert len({row["answers"][0] for row in exam}) == len(exam)


PIERS = ("Amber", "Birch", "Cedar", "Dune", "Ember", "Fern", "Gorse", "Hazel")


def piers() -> list[Row]:
    """Return documents about piers; every second one has a crane, the others a bakery."""
    parts = (
        "The crane of the {0} Pier lifts {1} tonnes.",
        "The bakery of the {0} Pier has {1} ovens.",
    )
    return [
        {
            "id": name,
            "document": f"{name}.md",
            "title": "Harbour",
            "headings": [],
            "text": f"The gate of the {name} Pier opens at {n + 5}:10. "
            + parts[n % 2].format(name, n + 20),
        }
        for n, name in enumerate(PIERS)
    ]


def about_piers(shown: str, task: str) -> str:
    (name,) = set(re.findall(r"(\w+) Pier", shown))
    found = [
        (f"How much does the crane of the {name} Pier lift?", r"\d+ tonnes"),
        (f"How many ovens are in the bakery of the {name} Pier?", r"\d+ ovens"),
        (f"When does the gate of the {name} Pier open?", r"\d+:10"),
    ]
    matches = [(question, re.search(pattern, shown)) for question, pattern in found]
    return lines(*((question, match[0]) for question, match in matches if match))


def confirm_pier(shown: str, task: str) -> str:
    (name,) = re.findall(r"(\w+) Pier", task)
    said = dict(re.findall(r"Q: (.*)\nA: (.*)", about_piers(shown, "")))
    return said.get(task.splitlines()[-1], "not stated") if name in shown else "not stated"


def judge_pier(shown: str, task: str) -> str:
    """Say whether an answer is right, or whether a text answers a question."""
    question, line, said = task.removeprefix("Question: ").partition("\nAnswer: ")
    found = {confirm_pier(text, question) for text in shown.splitlines()} - {"not stated"}
    return "yes" if (said in found if line else found) else "no"


def test_a_tenth_of_the_questions_has_no_answer_and_declining_is_right(tmp_path: Path) -> None:
    writer = ScriptedWriter(pairs=about_piers, answer=confirm_pier, judge=judge_pier)
    exam = write(tmp_path, piers(), writer)
    assert len(exam) >= 10
    unanswerable = [row for row in exam if row["kind"] == "unanswerable"]
    assert len(unanswerable) == len(exam) // 10
    for row in unanswerable:
        assert is_correct("I'm sorry, but I don't know that.", row["answers"])
        assert not is_correct("It lifts 20 tonnes.", row["answers"])
        name = re.findall(r"(\w+) Pier", row["question"])[0]
        assert name in row["document"]


def test_what_was_written_is_not_asked_again_and_the_exam_is_the_same(tmp_path: Path) -> None:
    first, second = (ScriptedWriter(pairs=by_rule, answer=confirm) for _ in range(2))
    rows = passages(9, 6, 3)
    exam = write(tmp_path, rows, first)
    assert write(tmp_path, rows, second) == exam
    assert first.asked and not second.asked


def test_what_a_removed_document_said_is_forgotten(tmp_path: Path) -> None:
    rows = passages(9, 6)
    write(tmp_path, rows)
    ledger = tmp_path / "ledger.jsonl"
    before = len(ledger.read_text().splitlines())
    assert "39 crowns" in ledger.read_text()
    writer = ScriptedWriter(pairs=by_rule, answer=confirm)
    exam = write(tmp_path, rows[:1], writer)
    assert {row["document"] for row in exam} == {"0.md"}
    assert len(ledger.read_text().splitlines()) < before
    assert "39 crowns" not in ledger.read_text()
    assert not writer.prompts("pairs"), "the other document's texts were kept"
