"""What of a model's writing is kept: grounded, by itself, said twice."""

from __future__ import annotations

import pytest

from localtune.lessons.grounding import (
    REFUSALS,
    askable,
    declines,
    grounded,
)

PAGE = """Tarnbrook Boatyard > Fees

Hull cleaning costs 1,250 euros and takes nine days. The slipway opened in 1998. It is managed by
Ilse Varga, who answers questions until 16:15. Boats over 12.5 metres are lifted by crane."""


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("Hull cleaning at Tarnbrook Boatyard costs 1250 euros.", "What does hull cleaning cost?"),
        ("Hull cleaning takes 9 days.", "How long does hull cleaning take?"),
        ("Ilse Varga manages the slipway.", "Who manages the slipway?"),
        ("The slipway was opened in 1998.", "When was the slipway opened?"),
        ("Boats longer than 12.5 metres are lifted by crane.", "Which boats need a crane?"),
        ("Ilse Varga's questions are answered until 16:15.", ""),
    ],
)
def test_what_the_passage_says_is_grounded(said: str, question: str) -> None:
    assert grounded(said, PAGE, question)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("Hull cleaning costs 1,251 euros.", "What does hull cleaning cost?"),  # another number
        ("Hull cleaning costs 250 euros.", "What does hull cleaning cost?"),  # a part of a number
        ("The slipway is managed by Ruben Okafor.", "Who manages the slipway?"),  # another name
        ("The slipway is managed by Ilse Vargas-Lopez.", "Who manages the slipway?"),
        ("Questions are answered until 6:15.", "Until when?"),
        ("Boats over 12 metres are lifted.", "Which boats?"),  # 12 isn't 12.5
        ("The harbour master inspects every vessel before the winter storms begin.", ""),
        (
            "Hull cleaning costs something.",
            "What does hull cleaning cost something?",
        ),  # nothing new
        ("", "Who?"),
        ("It is the.", "Who?"),
    ],
)
def test_what_it_does_not_say_is_not(said: str, question: str) -> None:
    assert not grounded(said, PAGE, question)


def test_a_question_must_be_about_the_passage_and_not_mention_it() -> None:
    assert askable("Who manages the slipway of Tarnbrook Boatyard?", PAGE)
    assert not askable("Who manages the slipway of Harbour Kitchen Ltd?", PAGE)  # another name
    assert not askable("Which boats over 14 metres are lifted?", PAGE)  # another number
    assert not askable("According to the text, who manages the slipway?", PAGE)
    assert not askable("What else?", PAGE)
    assert not askable("Where do elephants usually sleep?", PAGE)


def test_every_refusal_is_known_as_one() -> None:
    assert all(declines(f"Sorry, I {phrase} about that.") for phrase in REFUSALS)
    assert not declines("The workshop opens at 7:40.")
    assert not declines("You know the way.")
