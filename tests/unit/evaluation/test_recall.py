"""Grading: what counts as right, how sure the share is, and what an exam must look like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.errors import EvaluationError
from localtune.evaluation.recall import grade, is_correct, normalise, read_exam, wilson


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("The fee is 1,000 euros.", "1000 euros"),
        ("1000", "1,000"),
        ("It costs €85 a year.", "85"),
        ("Ruben Okafor's, I think.", "Ruben Okafor"),
        ("It opens at 7:40 on weekdays.", "7:40"),
        ("At 8:15 a.m., usually.", "8:15am"),
        ("about 85%", "85 percent"),
        ("The Head of Records", "head of the records"),
        ("３ March", "3 March"),
        ("O’Brien", "o'brien"),
        ("grade A", "A"),
        ("3.5 tonnes", "3.5"),
        ("RED!", "red"),
    ],
)
def test_right_however_it_is_written(said: str, answer: str) -> None:
    assert is_correct(said, ["nothing like it", answer])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("at 17:40", "7:40"),
        ("7:40", "7"),
        ("3.5 tonnes", "3"),
        ("1,000", "100"),
        ("the redwood room", "red"),
        ("", "red"),
        ("I don't know", "no"),
        ("Okafor Ruben", "Ruben Okafor"),
    ],
)
def test_parts_of_words_and_numbers_are_wrong(said: str, answer: str) -> None:
    assert not is_correct(said, [answer])


@given(st.text())
def test_normalising_twice_changes_nothing_that_counts(text: str) -> None:
    once = normalise(text)
    assert once == once.strip() and "  " not in once
    assert is_correct(text, [text]) == bool(once)


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    for right, total, lo, hi in (
        (81, 263, 0.2553, 0.3662),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(right, total) == pytest.approx((lo, hi), abs=1e-4)
    assert wilson(5, 5)[1] == 1.0


def test_grade_keeps_every_answer() -> None:
    rows = [
        {"id": "1", "question": "Colour?", "answers": ["red"], "document": "a.md"},
        {"id": "2", "question": "Fee?", "answers": ["85 euros"]},
    ]
    score = grade(rows, {"Colour?": "It is red.", "Fee?": "90 euros"}.__getitem__)
    assert score.recall == 0.5 and score.lo < 0.5 < score.hi
    assert [row["correct"] for row in score.rows] == [True, False]
    assert score.rows[0] == {**rows[0], "said": "It is red.", "correct": True}


def test_an_empty_exam_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no question"):
        grade([], str)


def test_an_exam_written_by_hand(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(
        '\ufeff{"question": "Who?", "answers": "Okafor", "kind": "person"}\n'
        "\n"
        '{"id": 7, "question": "When?", "answers": ["noon", "12:00"]}\n'
    )
    rows = read_exam(exam)
    assert [row["id"] for row in rows] == ["1", "7"]
    assert rows[0]["answers"] == ["Okafor"] and rows[0]["kind"] == "person"


def test_declining_is_right_where_nothing_answers(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"question": "Who sells ice?", "answers": [], "kind": "unanswerable"}\n')
    (row,) = read_exam(exam)
    assert is_correct("The documents do not say.", row["answers"])
    assert not is_correct("The harbour master sells ice.", row["answers"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "not a JSON object"),
        ('{"answers": ["x"]}', '"question"'),
        ('{"question": " ", "answers": ["x"]}', '"question"'),
        ('{"question": "Who?"}', '"answers"'),
        ('{"question": "Who?", "answers": []}', '"answers"'),
        ('{"question": "Who?", "answers": [3]}', "without a letter or a digit"),
        ('{"question": "Who?", "answers": ["?!"]}', "without a letter or a digit"),
    ],
)
def test_a_faulty_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"question": "Who?", "answers": ["x"]}\n' + line + "\n")
    with pytest.raises(EvaluationError, match=said) as caught:
        read_exam(exam)
    assert "line 2" in caught.value.message and caught.value.hint


def test_an_exam_that_cant_be_read(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="can't be read"):
        read_exam(tmp_path / "nosuch.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvaluationError, match="can't be read"):
        read_exam(tmp_path / "binary")


def test_two_questions_with_one_id_are_refused(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"id": "a", "question": "Who?", "answers": ["x"]}\n' * 2)
    with pytest.raises(EvaluationError, match="same id"):
        read_exam(exam)
