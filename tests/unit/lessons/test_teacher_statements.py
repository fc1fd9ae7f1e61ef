"""lessons/teacher/statements.py: what a section states, and answers that are cells of a table."""

from __future__ import annotations

import pytest

from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.statements import cell_fault, statements_of, stating

KITS = """
Kits are checked weekly. A spare one is kept in the **yard**.

## Places

| Place | First aider | Kit |
|---|---|---|
| Workshop | Ruben Okafor | next to the drill press |
| Bookings hall | Mirlo Banquist | below the counter |

1. Dial 555.
2. Wait at the gate.
"""


def section(text: str, *headings: str) -> Section:
    return Section("s", "a.md", "p", "Safety", headings, text)


def test_sentences_items_and_rows_are_statements_under_their_headings() -> None:
    found = list(statements_of(section(KITS, "First aid")))
    assert [(one.kind, one.path, one.text) for one in found] == [
        ("sentence", "Safety > First aid", "Kits are checked weekly."),
        ("sentence", "Safety > First aid", "A spare one is kept in the yard."),
        ("row", "Safety > First aid > Places",
         "Place: Workshop; First aider: Ruben Okafor; Kit: next to the drill press"),
        ("row", "Safety > First aid > Places",
         "Place: Bookings hall; First aider: Mirlo Banquist; Kit: below the counter"),
        ("item", "Safety > First aid > Places", "Dial 555."),
        ("item", "Safety > First aid > Places", "Wait at the gate."),
    ]  # fmt: skip


def test_a_heading_replaces_those_of_its_level_and_below() -> None:
    found = list(statements_of(section("# A\n\nOne.\n\n## B\n\nTwo.\n\n# C\n\nThree.")))
    assert [one.path for one in found] == ["Safety > A", "Safety > A > B", "Safety > C"]


def test_a_row_that_is_longer_than_its_header_keeps_its_cells() -> None:
    (row,) = statements_of(section("| A | B |\n|---|---|\n| x | y | z |"))
    assert row.text == "A: x; B: y; z" and row.cells[2] == ("", "z")


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("How often are kits checked?", "Weekly", ["Kits are checked weekly."]),
        ("Where is the spare one?", "In the yard", ["A spare one is kept in the yard."]),
        ("Where is the kit of the workshop?", "next to the drill press",
         ["Place: Workshop; First aider: Ruben Okafor; Kit: next to the drill press"]),
        ("Whom do I call and where do I wait?", "Dial 555 and wait at the gate",
         ["Wait at the gate.", "Dial 555."]),
    ],
)  # fmt: skip
def test_the_statement_is_found_that_an_answer_is_taken_from(
    question: str, answer: str, expected: list[str]
) -> None:
    found = stating(list(statements_of(section(KITS))), question, answer)
    assert [statement.text for statement in found] == expected


@pytest.mark.parametrize(
    ("question", "answer", "fault"),
    [
        ("Where is the kit of the workshop?", "next to the drill press", ""),
        ("Who is the first aider in the bookings hall?", "Mirlo Banquist", ""),
        ("Where is the kit that Ruben Okafor looks after?", "Next to the drill press.", ""),
        ("I cut my finger at the lathe, where are plasters?", "next to the drill press", ""),
        ("Where is the kit?", "below the counter", "does not name its subject"),
        ("Who is the first aider?", "Ruben Okafor", "does not name its subject"),
        ("What is the kit of the workshop called?", "Ruben Okafor", "asks for another column of"),
        ("Who is the first aider in the bookings hall?", "Ruben Okafor", "asks for another row of"),
        ("Where is the spare one kept?", "in the yard", ""),
        ("How often are kits checked?", "weekly", ""),
    ],
)  # fmt: skip
def test_a_question_answered_by_a_cell_names_its_row_and_no_other_column(
    question: str, answer: str, fault: str
) -> None:
    found = cell_fault(list(statements_of(section(KITS))), question, answer)
    assert found.startswith(fault) and bool(found) is bool(fault)


def test_an_answer_that_a_sentence_gives_too_is_not_held_to_the_table() -> None:
    text = f"{KITS}\n\nRuben Okafor runs the yard."
    assert not cell_fault(list(statements_of(section(text))), "Who runs the yard?", "Ruben Okafor")
