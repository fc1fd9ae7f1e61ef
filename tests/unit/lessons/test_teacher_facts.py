"""Facts of sections, found by their form in any language: what lessons and exam must ask about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localtune.lessons.teacher.facts import SectionFact, facts_in
from localtune.lessons.teacher.sections import sections_of

# Sentences without a fact, which show which words a language also writes in lower case.
ENGLISH = "Everybody who works here knows the yard, the crane and a good deal about the gate.\n\n"
GERMAN = (
    "Wer hier arbeitet, kennt der Reihe nach die Halle, das Tor, ein Boot und eine Bank, "
    "denn der Hof, die Wiese und das Ufer sind nicht weit.\n\n"
)
FRENCH = (
    "Pour bien travailler ici, il faut connaître la cour, le quai, les bateaux et une grue.\n\n"
)


def facts_of(text: str, before: str = "") -> list[SectionFact]:
    row = {"id": "p", "document": "d.md", "title": "Yard", "headings": [], "text": before + text}
    facts = facts_in(sections_of([row]))
    return [fact for section in facts.values() for fact in section]


def found(text: str, before: str = "") -> set[tuple[str, str]]:
    return {(fact.kind, fact.value) for fact in facts_of(text, before)}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The gate opens at 7:10.", {("number", "7:10")}),
        ("A lost key costs £3.50.", {("number", "£3.50")}),
        ("The crane lifts 1,000 kg at most.", {("number", "1,000 kg")}),
        ("The fee rises by 12% then.", {("number", "12%")}),
        ("A lease lasts eleven months.", {("number", "eleven months")}),
        ("It has twelve berths and 3 sheds.", {("number", "twelve berths"), ("number", "3 sheds")}),
        ("The yard was built in 1912.", {("number", "1912")}),
        ("The keys are kept by Ruben Okafor.", {("name", "Ruben Okafor")}),
        ("The goods wait in Shed 1 until noon.", {("name", "Shed 1")}),
        ("The wood comes from Brannoch by boat.", {("name", "Brannoch")}),
        ("The warden may refuse a boat.", set()),
    ],
)
def test_numbers_and_names_of_an_english_sentence(
    sentence: str, expected: set[tuple[str, str]]
) -> None:
    assert found(sentence, ENGLISH) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Die Werkstatt öffnet um 7:40 Uhr.", {("number", "7:40 Uhr")}),
        ("Eine Reinigung kostet 85 Euro.", {("number", "85 Euro")}),
        ("Die Hülle wird nach 3,5 Jahren geprüft.", {("number", "3,5 Jahren")}),
        ("Der Rabatt beträgt 12 %.", {("number", "12 %")}),
        ("Ruben Okafor verwaltet die Schlüssel.", {("name", "Ruben Okafor")}),
        ("Das Boot liegt in Halle 2 bis zum Abend.", {("name", "Halle 2")}),
        ("Die Bank neben der Halle ist eine Spende.", set()),
    ],
)
def test_numbers_and_names_of_a_german_sentence(
    sentence: str, expected: set[tuple[str, str]]
) -> None:
    assert found(sentence, GERMAN) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("L'atelier ferme à 16 heures.", {("number", "16 heures")}),
        ("La location coûte 140 euros.", {("number", "140 euros")}),
        ("Marie Dupont garde les clés du hangar.", {("name", "Marie Dupont")}),
        ("Le gardien vient de Lyon en train.", {("name", "Lyon")}),
        ("La grue est près du quai.", set()),
    ],
)
def test_numbers_and_names_of_a_french_sentence(
    sentence: str, expected: set[tuple[str, str]]
) -> None:
    assert found(sentence, FRENCH) == expected


def test_the_cells_of_a_table_are_facts_about_their_row() -> None:
    text = (
        "| Service | Fee | Days |\n|:--|---|--:|\n| Hull cleaning | 85 euros | 3 |\n"
        "| Mast storage | – | n/a |\n| Crane | 62 euros | |\n"
    )
    facts = facts_of(text)
    assert {(fact.kind, fact.value, fact.about) for fact in facts} == {
        ("cell", "85 euros", "Hull cleaning"),
        ("cell", "3", "Hull cleaning"),
        ("cell", "62 euros", "Crane"),
    }
    assert facts[0].statement == "Service: Hull cleaning; Fee: 85 euros; Days: 3"


def test_the_cells_of_a_german_table_are_facts_too() -> None:
    text = "| Leistung | Preis |\n|---|---|\n| Rumpfreinigung | 85 Euro |\n"
    (fact,) = facts_of(text)
    assert (fact.value, fact.about) == ("85 Euro", "Rumpfreinigung")


@pytest.mark.parametrize(
    ("item", "before"),
    [
        ("Wear a helmet near the crane", ENGLISH),
        ("Ein Helm ist neben dem großen Kran zu tragen", GERMAN),
        ("Il faut porter un casque près de la grue", FRENCH),
    ],
)
@pytest.mark.parametrize("bullet", ["-", "*", "3.", "12)"])
def test_a_list_item_without_a_value_is_a_fact(item: str, before: str, bullet: str) -> None:
    assert ("item", item) in found(f"{bullet} {item}", before)


def test_a_list_item_with_a_value_is_asked_about_by_that_value() -> None:
    assert found("- The helmet costs 12 crowns", ENGLISH) == {("number", "12 crowns")}
    assert found("- The gate", ENGLISH) == set()


@pytest.mark.parametrize(
    ("line", "term", "text", "before"),
    [
        ("Mooring: a fixed place for one boat", "Mooring", "a fixed place for one boat", ENGLISH),
        ("- **Liegeplatz:** ein fester Ort", "Liegeplatz", "ein fester Ort", GERMAN),
        ("Mouillage : une place fixe", "Mouillage", "une place fixe", FRENCH),
    ],
)
def test_a_definition_is_a_fact_about_its_term(
    line: str, term: str, text: str, before: str
) -> None:
    (fact,) = facts_of(line, before)
    assert (fact.kind, fact.about, fact.value) == ("definition", term, text)


def test_a_value_of_a_statement_counts_once_and_a_number_in_a_name_is_no_amount() -> None:
    facts = facts_of("The crane of Shed 1 lifts 12 crates, and 12 crates it is.", ENGLISH)
    assert sorted(fact.value for fact in facts) == ["12 crates", "Shed 1"]


def test_facts_belong_to_their_section() -> None:
    rows: list[dict[str, Any]] = [
        {"id": n, "document": n, "title": n, "headings": [], "text": f"It opens at {n}:10."}
        for n in ("7", "8")
    ]
    sections = sections_of(rows)
    facts = facts_in(sections)
    assert list(facts) == [section.id for section in sections]
    for section in sections:
        assert [fact.section for fact in facts[section.id]] == [section.id]
        assert facts[section.id][0].statement in section.text


def test_the_words_of_a_value_are_those_that_an_answer_must_hold() -> None:
    (fact,) = facts_of("A lease lasts eleven months.", ENGLISH)
    assert fact.words == {"11"}


def test_headings_state_nothing() -> None:
    assert found("## The 12 rules of Shed 1\n\nThe warden may refuse a boat.", ENGLISH) == set()


@given(st.text(max_size=500))
@example("0`0").via("found by a run of the tests")
def test_every_fact_of_any_text_stands_in_it(text: str) -> None:
    for fact in facts_of(text):
        assert fact.statement and fact.words
        assert all(word in " ".join(text.split()) for word in fact.value.split())
