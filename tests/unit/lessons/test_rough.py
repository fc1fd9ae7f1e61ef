"""Questions for lessons out of statements that are too involved for an exam's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.lessons.facts import common_words, facts_of
from localtune.lessons.rules.rough import rough_questions
from localtune.lessons.rules.wording import direct_questions, reworded


@pytest.mark.parametrize(
    ("statement", "question"),
    [
        ("In a drought, the warden may close the gate.", "What happens in a drought?"),
        (
            "In a drought, the warden may close the gate.",
            "May the warden close the gate in a drought?",
        ),
        ("Show the folder if a guest asks for it.", "What do I do if a guest asks for it?"),
        (
            "A hirer who is late pays £4 a day, and may not book again.",
            "What happens to a hirer who is late?",
        ),
        (
            "Tutors are paid £135 for a half day and £220 for a full day.",
            "How much are tutors paid for a full day?",
        ),
        ("There is a joining fee of £8.50, which is kept.", "How much is the joining fee?"),
        ("Traders pay £13.80 for a quarter page.", "What is the price of a quarter page?"),
        ("Alarms are inspected each June by Vane Fire.", "Who inspects alarms each June?"),
        ("Ponds no deeper than 45 cm, with a cover.", "How deep can ponds be?"),
        ("Polytunnels up to 6 metres long.", "How long can polytunnels be?"),
        ("Sprinklers are banned here.", "Are sprinklers allowed?"),
        ("Nobody may take out a shredder alone.", "May I take out a shredder alone?"),
    ],
)  # fmt: skip
def test_what_a_person_would_ask(statement: str, question: str) -> None:
    assert question in set(rough_questions(statement))


def test_a_relative_clause_is_asked_for_in_lessons_alone() -> None:
    text = "Nobody may use it without an induction, which lasts 40 minutes, and a key."
    row = {"id": "p", "document": "a.md", "title": "Guide", "headings": [], "text": text}
    (fact,) = facts_of([row])
    common = common_words([row])
    assert "How many minutes does an induction last?" in reworded(fact, common)
    assert not direct_questions(fact, common)


@given(st.text(max_size=200))
def test_any_text_gives_questions_or_none(text: str) -> None:
    for question in rough_questions(text):
        assert question.strip()
