"""Near-misses: an attribute of one thing, asked of another that the documents do not give it to."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_writer import ScriptedWriter

from localtune.lessons.grounding import content
from localtune.lessons.keywords import stem
from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.collection import Pair
from localtune.lessons.teacher.facts import facts_in
from localtune.lessons.teacher.judge import judge_of_answers
from localtune.lessons.teacher.near_misses import NearMisses
from localtune.lessons.teacher.requests import Asker
from localtune.lessons.teacher.retrieval import Search
from localtune.lessons.teacher.sections import Section, sections_of
from localtune.progress import Silent

NAMES = ("Amber", "Birch", "Cedar", "Dune", "Ember", "Fern")
CRANE, CAFE = ("Amber", "Cedar"), ("Birch", "Cedar")  # the piers that have one


def pier(name: str) -> str:
    parts = [f"The gate of the {name} Pier opens at 7:10 on weekdays."]
    if name in CRANE:
        parts.append(f"The crane of the {name} Pier lifts 9 tonnes at most.")
    if name in CAFE:
        parts.append(f"The bakery of the {name} Pier sells 12 kinds of bread.")
    return " ".join(parts)


def sections_with(texts: dict[str, str]) -> list[Section]:
    return sections_of(
        {"id": name, "document": f"{name}.md", "title": "Harbour", "headings": [], "text": text}
        for name, text in texts.items()
    )


SECTIONS = sections_with({name: pier(name) for name in NAMES})
PAIRS = [
    *(Pair("s", "cover", f"When does the gate of the {n} Pier open?", "7:10") for n in NAMES),
    *(Pair("s", "cover", f"How much does the crane of the {n} Pier lift?", "9") for n in CRANE),
    *(Pair("s", "cover", f"How many kinds does the bakery of the {n} Pier sell?", "12")
      for n in CAFE),
]  # fmt: skip


def near_misses(sections: list[Section] = SECTIONS, seed: int = 7) -> NearMisses:
    return NearMisses(sections, facts_in(sections), Checks(sections), seed)


def thing_in(question: str) -> str:
    return next(name for name in NAMES if f"{name} Pier" in question)


def test_an_attribute_is_asked_only_of_things_that_lack_it() -> None:
    candidates = list(near_misses().candidates(PAIRS))
    assert candidates
    for question, document in candidates:
        thing = thing_in(question)
        assert document == f"{thing}.md"
        assert "gate" not in question, "every pier has one"
        assert thing not in (CRANE if "crane" in question else CAFE)


@pytest.mark.parametrize("seed", range(5))
def test_no_section_that_names_the_thing_states_the_attribute(seed: int) -> None:
    def stems(text: str) -> set[str]:
        return {stem(word) for word in content(text)}

    for question, _ in near_misses(seed=seed).candidates(PAIRS):
        thing = stems(f"{thing_in(question)} Pier")
        attribute = stems(question) - thing
        assert attribute
        for section in SECTIONS:
            held = stems(section.whole)
            assert not thing <= held or len(attribute & held) <= len(attribute) / 2


def test_an_attribute_that_another_document_states_of_the_thing_is_not_asked() -> None:
    texts = {name: pier(name) for name in NAMES}
    everywhere = "; ".join(f"the crane of the {name} Pier lifts something" for name in NAMES)
    sections = sections_with({**texts, "news": f"Since May {everywhere}."})
    questions = [question for question, _ in near_misses(sections).candidates(PAIRS)]
    assert questions and not any("crane" in question for question in questions)


def test_no_two_candidates_are_alike_and_a_seed_gives_the_same_ones() -> None:
    candidates = list(near_misses().candidates(PAIRS * 3))
    assert len({question for question, _ in candidates}) == len(candidates)
    assert candidates == list(near_misses().candidates(PAIRS * 3))
    assert {q for q, _ in candidates}.isdisjoint(pair.question for pair in PAIRS)


def test_an_attribute_in_one_word_is_found_where_it_is_stated() -> None:
    sections = sections_with(
        {name: f"You find {20 + n} berths at the {name} Pier." for n, name in enumerate(NAMES)}
    )
    pairs = [Pair("s", "cover", f"How many berths does the {n} Pier have?", "2") for n in NAMES]
    assert list(near_misses(sections).candidates(pairs)) == []


def test_a_column_of_a_table_is_asked_of_a_row_of_another_table() -> None:
    fees = (
        "| Service | Yearly fee |\n|---|---|\n| Hull cleaning | 85 euros |\n"
        "| Mast storage | 9 euros |"
    )
    speed = "| Boats | Top speed |\n|---|---|\n| Rowing boat | 4 |\n| Sailing boat | 12 |"
    sections = sections_with({"fees": fees, "speed": speed})
    pairs = [
        Pair("s", "cover", "What top speed does a Rowing boat reach?", "4"),
        Pair("s", "cover", "What yearly fee is due for Hull cleaning?", "85 euros"),
    ]
    candidates = dict(near_misses(sections).candidates(pairs))
    assert candidates
    for question, document in candidates.items():
        assert document == ("speed.md" if "boat" in question else "fees.md")
        assert ("speed" in question) is ("boat" not in question)


def test_a_candidate_that_the_writer_finds_an_answer_to_is_not_used(tmp_path: Path) -> None:
    def knows_cranes(shown: str, task: str) -> str:
        return "9 tonnes" if "crane" in task else "Not stated."

    writer = ScriptedWriter(answer=knows_cranes)
    asker = Asker(writer, Ledger(tmp_path / "ledger.jsonl"), Silent())
    found = near_misses().write(asker, judge_of_answers(asker), PAIRS, 50)
    assert found and all("bakery" in question for question, _ in found)
    asked = len(writer.asked)
    assert near_misses().write(asker, judge_of_answers(asker), PAIRS, 50) == found
    assert len(writer.asked) == asked, "the ledger holds every answer"


def test_at_most_as_many_are_returned_as_are_wanted(tmp_path: Path) -> None:
    writer = ScriptedWriter(answer=lambda shown, task: "not stated")
    asker = Asker(writer, Ledger(tmp_path / "ledger.jsonl"), Silent())
    assert len(near_misses().write(asker, judge_of_answers(asker), PAIRS, 2)) == 2
    before = len(writer.asked)
    assert near_misses().write(asker, judge_of_answers(asker), PAIRS, 0) == []
    assert len(writer.asked) == before


def test_documents_without_things_have_no_near_misses() -> None:
    sections = sections_with({"a": "The warden may refuse a boat.", "b": "It rains."})
    pair = Pair("s", "cover", "Who may refuse a boat?", "The warden")
    assert list(near_misses(sections).candidates([pair])) == []


def test_the_sections_that_share_words_with_a_question_are_found_best_first() -> None:
    search = Search(SECTIONS)
    best = search.best("How much does the crane of the Cedar Pier lift?", 2)
    assert [section.document for section in best] == ["Cedar.md", "Amber.md"]
    assert search.best("???", 2) == [] and search.best("zebras", 2) == []
    assert search.best('"Cedar" OR NOT (crane* NEAR', 1)[0].document == "Cedar.md"
