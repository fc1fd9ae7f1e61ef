"""Each reason of dropping a pair: one that is dropped for it, and a good one beside it."""

from __future__ import annotations

import pytest

from localtune.lessons.agreement import agrees
from localtune.lessons.teacher.checks import Checks, has_detail
from localtune.lessons.teacher.sections import Section, sections_of

YARD = """Ruben Okafor keeps the keys of the boatyard. Hull cleaning costs 85 euros in summer.

The workshop opens at 7:40 on weekdays. A mooring lease lasts eleven months. Dogs travel free."""
OTHERS = [f"The kiosk of pier {n} sells bread and milk every day." for n in range(6)]
GOOD = ("What does hull cleaning cost in summer?", "It costs 85 euros.")


def section_of(text: str, name: str = "yard") -> Section:
    row = {"id": name, "document": name, "title": "Boatyard", "headings": [], "text": text}
    return sections_of([row])[0]


SECTION = section_of(YARD)
SECTIONS = [SECTION, *(section_of(text, str(n)) for n, text in enumerate(OTHERS))]
CHECKS = Checks(SECTIONS)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        GOOD,
        ("Who keeps the keys of the boatyard?", "Ruben Okafor"),
        ("When does the workshop open on weekdays?", "At 7:40."),
        ("How long does a mooring lease last?", "A mooring lease lasts 11 months."),
        ("What does it cost to have my hull cleaned in summer?", "85 euros"),
        ("How much do dogs pay?", "Dogs travel free."),
        ("I've lost my keys, who has others?", "Ruben Okafor keeps the keys."),
        ("Which hull service costs 85 euros?", "Hull cleaning"),
        ("Every day in summer, what does hull cleaning cost?", "85 euros"),  # "day": another's
    ],
)
def test_a_good_pair_is_kept(question: str, answer: str) -> None:
    assert CHECKS.reason(question, answer, SECTION) == ""


DROPPED = {
    "not a whole question": [
        ("The cost of hull cleaning in summer", "85 euros"),
        ("Hull cost?", "85 euros"),
        ("What does " + "very " * 50 + "thorough hull cleaning cost?", "85 euros"),
    ],
    "no answer, or a long one": [
        (GOOD[0], ""),
        (GOOD[0], "…"),
        (GOOD[0], "Hull cleaning costs 85 euros in summer. " * 10),
    ],
    "refers to the text": [
        ("What does hull cleaning cost according to the text above?", "85 euros"),
        ("What does this passage say about hull cleaning in summer?", "85 euros"),
        (GOOD[0], "The text says that it costs 85 euros."),
        ("Was kostet hull cleaning in diesem Abschnitt?", "85 euros"),
    ],
    "not answered": [
        (GOOD[0], "not stated"),
        (GOOD[0], "I don't know what hull cleaning costs."),
    ],
    "does not name its subject": [
        ("When does it open?", "At 7:40."),
        ("Who keeps them there?", "Ruben Okafor"),
    ],
    "asks about something that is not in the section": [
        ("What does Mirlo Banquist pay for hull cleaning?", "85 euros"),
        ("What cost 90 euros for hull cleaning?", "85 euros"),
    ],
    "answer is not in the section, or in the question already": [
        (GOOD[0], "It costs 95 euros."),
        (GOOD[0], "Ilse Varga cleans it."),
        (
            "Does hull cleaning cost 85 euros in summer?",
            "Hull cleaning costs 85 euros.",
        ),
    ],
    "answer lacks the detail that is asked for": [
        ("How much does hull cleaning cost in summer?", "The boatyard keeps it."),
        ("How many months does a mooring lease last?", "The mooring lease of the workshop."),
    ],
}


@pytest.mark.parametrize(
    ("reason", "question", "answer"),
    [(reason, *pair) for reason, pairs in DROPPED.items() for pair in pairs],
)
def test_a_pair_is_dropped_for_its_reason(reason: str, question: str, answer: str) -> None:
    assert CHECKS.reason(question, answer, SECTION) == reason


def test_a_question_that_many_sections_answer_names_no_subject() -> None:
    many, one = "What does the kiosk sell every day?", "What does the kiosk of pier 3 sell?"
    pier = SECTIONS[4]
    assert CHECKS.reason(many, "Bread and milk.", pier) == "does not name its subject"
    assert CHECKS.reason(one, "Bread and milk.", pier) == ""
    assert Checks([pier]).reason(many, "Bread and milk.", pier) == ""


def test_a_question_that_another_section_answers_otherwise_is_found() -> None:
    rows = [
        {"id": name, "document": name, "title": name, "headings": [], "text": f"{text} It sails."}
        for name, text in [("Otter", "The captain is Ada Finch."), ("Heron", "The captain rests.")]
    ]
    otter, _ = sections = sections_of(rows)
    checks = Checks(sections)
    assert checks.has_other_answer("Who is the captain?", "Ada Finch", otter)
    assert not checks.has_other_answer("Who is the captain of the Otter?", "Ada Finch", otter)
    assert not checks.has_other_answer("What does the captain do?", "It sails.", otter)


def test_a_title_and_headings_count_as_part_of_the_section() -> None:
    row = {"id": "r", "document": "r", "title": "Kelmore Ferry", "headings": ["Sailings"]}
    (section,) = sections_of([{**row, "text": "The first boat leaves at 6:50."}])
    asked = "When does the first boat of the Kelmore Ferry leave?"
    assert Checks([section]).reason(asked, "At 6:50.", section) == ""


GERMAN = """Ruben Okafor verwaltet die Schlüssel des Bootshauses. Eine Reinigung kostet 85 Euro.

Die Werkstatt öffnet um 7:40 Uhr."""


@pytest.mark.parametrize(
    ("question", "answer", "kept"),
    [
        ("Was kostet eine Reinigung im Bootshaus?", "Eine Reinigung kostet 85 Euro.", True),
        ("Wer verwaltet die Schlüssel des Bootshauses?", "Ruben Okafor", True),
        ("Wann öffnet die Werkstatt?", "Um 7:40 Uhr.", True),
        ("Was kostet eine Reinigung?", "Eine Reinigung kostet 95 Euro.", False),
        ("Was kostet eine Reinigung laut dem Text?", "85 Euro", False),
    ],
)
def test_pairs_in_german_are_held_against_their_section(
    question: str, answer: str, kept: bool
) -> None:
    section = section_of(GERMAN, "de")
    assert (Checks([section]).reason(question, answer, section) == "") is kept


@pytest.mark.parametrize(
    ("question", "answer", "has"),
    [
        ("How much is a ticket?", "4 crowns", True),
        ("How much is a ticket?", "It is free.", True),
        ("How much is a ticket?", "At the kiosk.", False),
        ("How many boats are there?", "Seven.", True),
        ("How many boats are there?", "Some boats.", False),
        ("How long is the trip?", "35 minutes", True),
        ("Where are tickets sold?", "At the kiosk.", True),
        ("Was kostet ein Ticket?", "Vier Kronen.", True),
    ],
)
def test_an_answer_has_the_kind_of_detail_that_is_asked_for(
    question: str, answer: str, has: bool
) -> None:
    assert has_detail(question, answer) is has


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("85 euros", "Hull cleaning costs 85 euros.", True),
        ("Hull cleaning costs 85 euros.", "85", True),
        ("85 euros", "95 euros", False),
        ("Ruben Okafor", "Okafor", True),
        ("Ruben Okafor", "Ilse Varga", False),
        ("On weekdays", "on weekdays from 7:40", True),
        ("eleven months", "11 months", True),
        ("85 euros", "not stated", False),
        ("85 euros", "I don't know.", False),
        ("Yes.", "Yes.", True),
    ],
)
def test_a_second_answer_agrees_or_not(first: str, second: str, same: bool) -> None:
    assert agrees(first, second) is same
