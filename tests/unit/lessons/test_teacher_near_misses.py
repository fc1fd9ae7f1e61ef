"""Near-misses: an attribute of one thing, asked of another that the documents do not give it to."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_writer import ScriptedWriter

from localtune.lessons.grounding import content
from localtune.lessons.keywords import stem
from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.facts import facts_in
from localtune.lessons.teacher.near_misses import NearMisses
from localtune.lessons.teacher.pair import Pair
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


def pair(question: str, answer: str, sections: list[Section] = SECTIONS) -> Pair:
    return Pair(sections[0].id, "cover", question, answer)


PAIRS = [
    *(pair(f"When does the gate of the {n} Pier open?", "7:10") for n in NAMES),
    *(pair(f"How much does the crane of the {n} Pier lift?", "9") for n in CRANE),
    *(pair(f"How many kinds does the bakery of the {n} Pier sell?", "12")
      for n in CAFE),
]  # fmt: skip


def near_misses(sections: list[Section] = SECTIONS, seed: int = 7) -> NearMisses:
    return NearMisses(sections, facts_in(sections), seed)


def test_an_attribute_is_asked_of_what_another_question_ends_with() -> None:
    text = "A permit is issued by Ann Low. The price of a bicycle is 9 euros. Rent is due in May."
    sections = sections_with({"yard": text})
    pairs = [
        pair("What is the price of a bicycle?", "9 euros", sections),
        pair("What is the purpose of rent?", "May", sections),
        pair("Who issues a permit?", "Ann Low", sections),
    ]
    found = dict(near_misses(sections).candidates(pairs))
    assert found == {
        "What is the price of rent?": "yard.md",
        "What is the purpose of a bicycle?": "yard.md",
    }


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
    pairs = [pair(f"How many berths does the {n} Pier have?", "2", sections) for n in NAMES]
    assert list(near_misses(sections).candidates(pairs)) == []


def test_a_column_of_a_table_is_asked_of_a_row_of_another_table() -> None:
    fees = (
        "| Service | Yearly fee |\n|---|---|\n| Hull cleaning | 85 euros |\n"
        "| Mast storage | 9 euros |"
    )
    speed = "| Boats | Top speed |\n|---|---|\n| Rowing boat | 4 |\n| Sailing boat | 12 |"
    sections = sections_with({"fees": fees, "speed": speed})
    pairs = [
        pair("What top speed does a Rowing boat reach?", "4", sections),
        pair("What yearly fee is due for Hull cleaning?", "85 euros", sections),
    ]
    candidates = dict(near_misses(sections).candidates(pairs))
    assert candidates
    for question, document in candidates.items():
        assert document == ("speed.md" if "boat" in question else "fees.md")
        assert ("speed" in question) is ("boat" not in question)


def test_a_candidate_that_the_writer_finds_an_answer_to_is_not_used(tmp_path: Path) -> None:
    answered = {pair.question for pair in PAIRS}

    def knows_cranes(shown: str, task: str) -> str:
        question = task.removeprefix("Question: ")
        return "yes" if "crane" in question or question in answered else "no"

    writer = ScriptedWriter(judge=knows_cranes)
    asker = Asker(writer, Ledger(tmp_path / "ledger.jsonl"), Silent())
    found = near_misses().write(asker, PAIRS, 50)
    assert found and all("bakery" in question for question, _ in found)
    asked = len(writer.asked)
    assert near_misses().write(asker, PAIRS, 50) == found
    assert len(writer.asked) == asked, "the ledger holds every answer"


def test_at_most_as_many_are_returned_as_are_wanted(tmp_path: Path) -> None:
    writer = ScriptedWriter(judge=lambda shown, task: "no")
    asker = Asker(writer, Ledger(tmp_path / "ledger.jsonl"), Silent())
    assert len(near_misses().write(asker, PAIRS, 2)) == 2
    before = len(writer.asked)
    assert near_misses().write(asker, PAIRS, 0) == []
    assert len(writer.asked) == before


def test_documents_without_things_have_no_near_misses() -> None:
    sections = sections_with({"a": "The warden may refuse a boat.", "b": "It rains."})
    pairs = [pair("Who may refuse a boat?", "The warden", sections)]
    assert list(near_misses(sections).candidates(pairs)) == []


def test_the_texts_that_share_words_with_a_question_are_found_best_first() -> None:
    search = Search([section.whole for section in SECTIONS])
    best = search.best("How much does the crane of the Cedar Pier lift?", 2)
    assert [NAMES[i] for i in best] == ["Cedar", "Amber"]
    assert search.best("???", 2) == [] and search.best("zebras", 2) == []
    assert search.best('"Cedar" OR NOT (crane* NEAR', 1) == [NAMES.index("Cedar")]
