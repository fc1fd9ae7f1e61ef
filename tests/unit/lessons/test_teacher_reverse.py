"""Pairs from a value back to its statement."""

from __future__ import annotations

from localtune.lessons.teacher.facts import SectionFact
from localtune.lessons.teacher.reverse import reversed_pairs

FEE = "Hull cleaning costs 85 euros in summer."
KEYS = "Ruben Okafor keeps the keys."


def fact(value: str, statement: str, kind: str = "number") -> SectionFact:
    return SectionFact("s", kind, value, statement)


def test_a_value_is_asked_about_and_its_statement_is_the_answer() -> None:
    facts = [fact("85 euros", FEE), fact("Ruben Okafor", KEYS, "name")]
    fee, keys = reversed_pairs(facts, {"s": "en"}, 7)
    assert "85 euros" in fee.question and fee.answer == FEE
    assert "Ruben Okafor" in keys.question and keys.answer == KEYS
    assert fee.style == "reverse" and fee.section == "s"


def test_both_statements_of_a_value_are_told_and_one_of_many_places_is_left_out() -> None:
    twice = [fact("85 euros", FEE), fact("85 euros", "A lost key costs 85 euros.")]
    (pair,) = reversed_pairs(twice, {}, 7)
    assert pair.answer == f"{FEE} A lost key costs 85 euros."
    often = [fact("85 euros", f"The {n}. key costs 85 euros.") for n in "abc"]
    assert not list(reversed_pairs(often, {}, 7))


def test_what_says_too_little_or_too_much_is_left_out() -> None:
    facts = [
        fact("85", FEE), fact("item text", "item text", "item"),
        fact("7 euros", f"It costs 7 euros {'and so on ' * 40}."),
    ]  # fmt: skip
    assert not list(reversed_pairs(facts, {}, 7))


def test_questions_are_in_the_language_of_the_section() -> None:
    facts = [fact(f"{n} euros", f"Es kostet {n} euros.") for n in range(20, 40)]
    german = {pair.question for pair in reversed_pairs(facts, {"s": "de"}, 7)}
    assert all("Dokumente" in question or "zu tun" in question for question in german)
    (other, *_) = reversed_pairs(facts, {"s": "xx"}, 7)
    assert "documents" in other.question or "what" in other.question.lower()
