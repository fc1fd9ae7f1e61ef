"""Passages in sections: small enough for a writer, with the headings above, and nothing lost."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localtune.lessons.teacher.sections import (
    SECTION_CHARACTERS,
    TABLE_CHARACTERS,
    Section,
    sections_of,
)

SENTENCE = "The warden of the harbour checks berth {} every morning and writes down what is amiss."


def passage(text: str, *headings: str, title: str = "Harbour") -> dict[str, Any]:
    return {
        "id": "p",
        "document": "harbour.md",
        "title": title,
        "headings": list(headings),
        "text": text,
    }


def sections(text: str, *headings: str) -> list[Section]:
    return sections_of([passage(text, *headings)])


def table(rows: int, width: int = 30) -> str:
    lines = [f"| Berth {n} | {'x' * width} {n} | {n} crowns |" for n in range(rows)]
    return "\n".join(["| Berth | Boat | Fee |", "|---|:-:|--:|", *lines])


def prose(first: int, number: int) -> str:
    return " ".join(SENTENCE.format(n) for n in range(first, first + number))


def test_a_short_passage_is_one_section_with_its_title_and_headings() -> None:
    (section,) = sections("The gate opens at 7:10.", "Rules", "Gates")
    assert section.text == "The gate opens at 7:10."
    assert section.path == "Harbour > Rules > Gates"
    assert section.whole == "Harbour > Rules > Gates\n\nThe gate opens at 7:10."
    assert (section.document, section.passage) == ("harbour.md", "p")


def test_a_title_that_is_also_the_first_heading_is_named_once() -> None:
    assert sections("It is old.", "Harbour", "History")[0].path == "Harbour > History"


def test_a_long_text_is_divided_between_sentences() -> None:
    found = sections(prose(0, 40))
    assert len(found) > 2
    assert all(len(section.text) <= SECTION_CHARACTERS * 1.1 for section in found)
    assert all(section.text.endswith("amiss.") for section in found)
    assert " ".join(section.text for section in found) == prose(0, 40)


@pytest.mark.parametrize("width", [10, 60, 400])
def test_a_table_keeps_whole_rows_and_repeats_its_header(width: int) -> None:
    whole = table(60, width)
    found = sections(whole)
    lines = [line for section in found for line in section.text.splitlines()]
    assert set(lines) == set(whole.splitlines())
    for section in found:
        assert section.text.splitlines()[:2] == whole.splitlines()[:2]
        assert len(section.text.splitlines()) > 2
    rows = [line for line in lines if line.startswith("| Berth ")]
    assert len([row for row in rows if "crowns" in row]) == 60


def test_a_table_of_medium_size_stays_whole() -> None:
    whole = table(30, 20)
    assert SECTION_CHARACTERS < len(whole) < TABLE_CHARACTERS
    (_, section) = sections(f"{prose(0, 10)}\n\n{whole}")
    assert section.text == whole


def test_a_list_is_divided_between_its_items() -> None:
    items = [f"- {SENTENCE.format(n)}" for n in range(40)]
    found = sections("\n".join(items))
    assert len(found) > 2
    assert [line for section in found for line in section.text.splitlines()] == items


def test_a_heading_stays_with_the_text_below_it() -> None:
    text = "\n\n".join(f"## Part {n}\n\n{prose(n, 6)}" for n in range(8))
    for section in sections(text, "Rules"):
        assert not re.fullmatch(r"#+ .*", section.text.splitlines()[-1])
    assert "## Part 7" in sections(text)[-1].text


def test_headings_above_a_section_are_those_of_its_place() -> None:
    text = (
        f"# Rules\n\n## Gates\n\n{prose(0, 14)}\n\n{prose(20, 14)}\n\n"
        f"## Boats\n\n### Small\n\n{prose(40, 14)}\n\n# History\n\n{prose(60, 14)}"
    )
    paths = {}
    for section in sections(text):
        for number in re.findall(r"berth (\d+)", section.text):
            inside = re.findall(r"^#+ (.+)$", section.text.partition(f"berth {number} ")[0], re.M)
            paths[int(number)] = (*section.headings, *inside)
    assert paths[0] == paths[13] == paths[33] == ("Rules", "Gates")
    assert paths[40] == paths[53] == ("Rules", "Boats", "Small")
    assert paths[60] == paths[73] == ("History",)


def test_the_same_text_twice_is_one_section() -> None:
    rows = [passage("The gate opens at 7:10."), {**passage("The gate opens at 7:10."), "id": "q"}]
    assert len(sections_of(rows)) == 1
    other = {**rows[1], "document": "copy.md"}
    assert len({section.id for section in sections_of([rows[0], other])}) == 2


@pytest.mark.parametrize("text", ["", " \n\n ", "# Only a heading"])
def test_a_passage_without_text_has_no_section(text: str) -> None:
    assert sections(text) == []


def test_a_text_without_spaces_or_sentences_is_kept() -> None:
    text = "港口每天早上六点开门。" * 300
    assert "".join(section.text for section in sections(text)) == text


Block = tuple[str, int, int]  # kind, lines, words a line
BLOCKS = st.tuples(
    st.sampled_from(("prose", "long line", "items", "table", "# heading", "### heading")),
    st.integers(1, 40),
    st.integers(1, 60),
)


def drawn_text(blocks: list[Block]) -> str:
    """Return a text of blocks in which no two words are alike."""
    number = 0

    def words(how_many: int) -> str:
        nonlocal number
        number += how_many
        return " ".join(f"W{n}" for n in range(number - how_many, number))

    parts = []
    for kind, lines, length in blocks:
        if kind.endswith("heading"):
            parts.append(f"{kind.removesuffix('heading')}{words(3)}")
        elif kind == "table":
            rows = [f"| {words(1)} | {words(length)} |" for _ in range(lines)]
            parts.append("\n".join([f"| {words(1)} | {words(1)} |", "|---|---|", *rows]))
        elif kind == "items":
            parts.append("\n".join(f"- {words(length)}" for _ in range(lines)))
        else:
            end = ". " if kind == "prose" else " "
            parts.append(end.join(words(length) for _ in range(lines)))
    return "\n\n".join(parts)


@settings(deadline=None)
@given(st.lists(BLOCKS, max_size=10))
def test_every_word_of_a_passage_is_in_one_section(blocks: list[Block]) -> None:
    while blocks and blocks[-1][0].endswith("heading"):  # nothing stands below it
        blocks.pop()
    text = drawn_text(blocks)
    found = sections(text, "Rules")
    kept = re.findall(r"W\d+", "\n".join(section.text for section in found))
    lines = text.splitlines()
    above_rule = [line for line, next_line in pairwise(lines) if next_line == "|---|---|"]
    head = set(re.findall(r"W\d+", " ".join(above_rule)))
    expected = re.findall(r"W\d+", text)
    assert [word for word in kept if word not in head] == [
        word for word in expected if word not in head
    ]
    assert set(kept) == set(expected)
    rows = {line for line in lines if line[:1] == "|"}
    assert {line for s in found for line in s.text.splitlines() if line[:1] == "|"} == rows


@given(st.text(max_size=3000))
def test_any_text_can_be_divided(text: str) -> None:
    for section in sections(text):
        assert section.text.strip() and section.id


def test_words_keep_their_order_and_number() -> None:
    text = f"## Gates\n\n{prose(0, 30)}\n\n- one\n- two\n\n## Boats\n\n{prose(30, 30)}"
    kept = " ".join(word for section in sections(text) for word in section.text.split())
    assert kept == " ".join(text.split())
