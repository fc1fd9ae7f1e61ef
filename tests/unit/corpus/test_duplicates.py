"""Which texts stand for which: nothing below the threshold, nothing with other numbers."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localtune.corpus.split.duplicates import jaccard, representatives

WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "rstlnmkp"]
BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "duplicates.py"


def text(rng: random.Random, words: int = 100) -> list[str]:
    return rng.choices(WORDS, k=words)


def changed(words: list[str], rng: random.Random, places: int) -> list[str]:
    copy = list(words)
    for place in rng.sample(range(len(copy)), places):
        copy[place] = "changed" + rng.choice(WORDS)
    return copy


@pytest.mark.parametrize(
    "other",
    [
        "the  FERRY leaves\nat seven",
        "The ferry leaves, at seven!",
        "**The ferry** leaves at _seven_.",
        "## The ferry leaves at seven",
        "- The `ferry` leaves at seven",
    ],
)
def test_case_spaces_punctuation_and_marks_make_no_difference(other: str) -> None:
    assert representatives(["Other", "The ferry leaves at seven.", other]) == [0, 1, 1]
    assert representatives(["Ferry.", "ferry", "***", "---", "***"]) == [0, 0, 2, 3, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Open at 9:30", "Open at 9:50"),
        ("Fare: 3.5 pounds", "Fare: 35 pounds"),
        ("At -5 degrees", "At 5 degrees"),
        ("कि", "का"),
        ("C", "D"),
        ("", "."),
    ],
)
def test_short_texts_that_differ_stay(one: str, other: str) -> None:
    assert representatives([one, other]) == [0, 1]


@pytest.mark.parametrize("threshold", [0.9, 0.8, 0.7])
def test_near_duplicates_are_those_at_or_above_the_threshold(threshold: float) -> None:
    rng = random.Random(3)
    for places in range(1, 16):
        original = text(rng)
        pair = [" ".join(original), " ".join(changed(original, rng, places))]
        near = jaccard(*pair) >= threshold
        assert representatives(pair, threshold) == [0, 0 if near else 1]


def test_the_jaccard_index_is_exact() -> None:
    a, b = "a b c d e f g".split(), "a b c d e f h".split()
    assert jaccard(" ".join(a), " ".join(b)) == pytest.approx(2 / 4)
    assert jaccard("too short a text", "too short a text") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("9:30", "9:45", False),
        ("1,200", "1,300", False),
        ("3.5", "3.6", False),
        ("2023", "2024", False),
        ("9am", "10am", False),
        ("-3", "-4", False),
        ("w123", "w124", True),
        ("seven", "eight", True),
        ("seven", "7", True),  # one way only: the kept text has no number the other lacks
    ],
)
def test_texts_with_other_numbers_are_no_duplicates(one: str, other: str, same: bool) -> None:
    words = text(random.Random(1))
    texts = [" ".join([*words[:50], middle, *words[50:]]) for middle in (one, other)]
    assert jaccard(*texts) > 0.8
    assert representatives(texts) == [0, 0 if same else 1]


def test_a_representative_is_earlier_and_stands_for_itself() -> None:
    rng = random.Random(5)
    originals = [text(rng) for _ in range(40)]
    texts = [" ".join(changed(rng.choice(originals), rng, rng.randint(0, 5))) for _ in range(400)]
    chosen = representatives(texts)
    assert all(j <= i and chosen[j] == j for i, j in enumerate(chosen))
    assert all(
        i == j or jaccard(texts[i], texts[j]) >= 0.8 or texts[i] == texts[j]
        for i, j in enumerate(chosen)
    )
    assert len(set(chosen)) < 300
    assert all(representatives([texts[i], texts[j]]) == [0, 0] for i, j in enumerate(chosen))


def test_scripts_without_spaces_are_compared_by_letters() -> None:
    one = (
        "渡轮早上七点离开北码头，天黑之前返回。带自行车的乘客先上船，船员会把自行车固定在下层甲板上。"
        * 2
    )
    assert representatives([one, one.replace("天黑", "日落", 1) + "好"])[1] == 0
    assert representatives([one, one[::-1]]) == [0, 1]


def test_the_twin_is_found_among_many_forms_that_differ_in_their_number() -> None:
    words = text(random.Random(2), 60)
    forms = [" ".join([*words[:30], str(n), *words[30:]]) for n in range(300)]
    twins = [form + " Signed." for form in forms]
    assert representatives([*forms, *twins]) == [*range(300), *range(300)]


def test_no_text_is_no_trouble() -> None:
    assert representatives([]) == []
    assert representatives(["", "", " "]) == [0, 0, 0]


def test_the_result_is_the_same_in_every_process() -> None:
    code = (
        "from localtune.corpus.split.duplicates import representatives; import random;"
        "r = random.Random(1); b = [str(r.random())[2:5] + 'x' for _ in range(40)];"
        "texts = [' '.join(b[:k % 40] + ['y'] + b[k % 40:]) for k in range(300)];"
        "print(representatives(texts, 0.7))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


@pytest.mark.parametrize(
    "kind", ["one word changed", "one number changed", "short, one bucket", "digits"]
)
def test_hostile_sets_take_linear_time(kind: str) -> None:
    rng = random.Random(4)
    base = text(rng, 18 if kind.startswith("short") else 80)
    texts = []
    for n in range(3000):
        place = rng.randrange(3) if kind.startswith("short") else rng.randrange(80)
        word = f"w{n}" if "number" not in kind else str(n)
        texts.append(" ".join([*base[:place], word, *base[place + 1 :]]))
    if kind == "digits":
        texts = ["1." * 500_000 + "abcd", "1" * 1_000_000, "- " * 500_000]
    began = time.process_time()
    representatives(texts)
    assert time.process_time() - began < 6


def test_the_benchmark_runs() -> None:
    said = subprocess.run(
        [sys.executable, str(BENCHMARK), "300"], capture_output=True, text=True, check=True
    ).stdout
    ours = next(line for line in said.splitlines() if line.startswith("localtune")).split()
    assert ours[-2:] == ["1.0000", "1.0000"]
