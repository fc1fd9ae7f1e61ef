"""No question of the exam, nor one near it, is among the lessons of real documents.

ROUGE-L and the cosines are computed here anew, by numpy over all pairs, not by the code under test.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from localtune.config.stages import CorpusConfig, ExamConfig, LessonsConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.lessons.rules.exam import write_exam
from localtune.lessons.rules.structure import write_lessons
from localtune.workspace import read_jsonl

ROOT = Path(__file__).parents[2]
SETS = [ROOT / "examples" / "handbook", ROOT / "tests" / "second_organisation" / "documents"]


@pytest.fixture(scope="module", params=SETS, ids=lambda folder: folder.name)
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], list[str]]:
    """The questions of all lessons, those inside conversations too, and of the exam."""
    out = Artefacts.below(tmp_path_factory.mktemp("apart"))
    exam, lessons = (out.passages.with_name(f"{name}.jsonl") for name in ("exam", "lessons"))
    read_corpus(request.param, out, CorpusConfig())
    write_exam(out.passages, exam, ExamConfig())
    write_lessons(out.passages, exam, lessons, LessonsConfig())
    return list(_questions(lessons)), [row["question"] for row in read_jsonl(exam)]


def _questions(lessons: Path) -> Iterator[str]:
    for row in read_jsonl(lessons):
        yield from (turn["content"] for turn in row.get("messages", []) if turn["role"] == "user")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _letters(text: str) -> list[str]:
    text = f" {' '.join(_words(text))} "
    return [text[i : i + 3] for i in range(len(text) - 2)]


def _products(
    ours: list[str], theirs: list[str], cut: Callable[[str], list[str]], rarity: bool, unit: bool
) -> np.ndarray:
    """Return the inner product of each of ours with each of theirs, as vectors of counts.

    With `rarity` TF-IDF over all texts; with `unit` of length 1, so that it is their cosine.
    """
    counts = [Counter(cut(text)) for text in [*ours, *theirs]]
    held = Counter(key for row in counts for key in row)
    place = {key: i for i, key in enumerate(held)}
    scale = np.log((1 + len(counts)) / (1 + np.array(list(held.values())))) + 1

    def dense(rows: list[Counter[str]]) -> np.ndarray:
        made = np.zeros((len(rows), len(place)), dtype=np.float32)
        for i, row in enumerate(rows):
            made[i, [place[key] for key in row]] = list(row.values())
        made *= scale if rarity else 1
        return made / np.linalg.norm(made, axis=1, keepdims=True) if unit else made

    kept = dense(counts[len(ours) :]).T
    return np.concatenate([dense(counts[i : i + 512]) @ kept for i in range(0, len(ours), 512)])[
        : len(ours)
    ]


def _rouge_l(a: list[str], b: list[str]) -> float:
    longest = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            either = max(longest[i, j + 1], longest[i + 1, j])
            longest[i + 1, j + 1] = longest[i, j] + 1 if x == y else either
    return float(2 * longest[-1, -1] / (len(a) + len(b)))


def test_the_measures_of_this_test_are_sound() -> None:
    pair = ["when does the hall open", "the hall does open when"]
    assert _products(pair[:1], pair[1:], _words, False, True)[0, 0] == pytest.approx(1)
    assert _rouge_l(pair[0].split(), pair[1].split()) == pytest.approx(0.6)
    far = _products(["abc abd"], ["xyz"], _letters, True, True)
    assert far[0, 0] == 0


@pytest.mark.slow
def test_no_lesson_asks_what_the_exam_asks(asked: tuple[list[str], list[str]]) -> None:
    ours, exam = asked
    assert len(ours) > 5000 and len(exam) > 20
    texts = " " + " | ".join({" ".join(_words(question)) for question in ours}) + " "
    assert not [question for question in exam if f" {' '.join(_words(question))} " in texts]


@pytest.mark.slow
@pytest.mark.parametrize(("cut", "by_rarity"), [(_words, False), (_letters, True)])
def test_no_lesson_has_a_cosine_of_nine_tenths(
    asked: tuple[list[str], list[str]], cut: Callable[[str], list[str]], by_rarity: bool
) -> None:
    ours, exam = asked
    cosines = _products(ours, exam, cut, by_rarity, unit=True)
    assert 0.7 < cosines.max() < 0.9


@pytest.mark.slow
def test_no_lesson_has_a_rouge_l_of_seven_tenths(asked: tuple[list[str], list[str]]) -> None:
    ours, exam = asked
    # Words that both hold, in whatever order: no common subsequence is longer.
    shared = _products(ours, exam, _words, False, False)
    lengths = [np.array([len(_words(text)) for text in texts]) for texts in asked]
    likely = np.argwhere(2 * shared >= 0.7 * (lengths[0][:, None] + lengths[1]))
    near = [_rouge_l(_words(ours[i]), _words(exam[j])) for i, j in likely]
    assert len(near) > 10 and 0.5 < max(near) < 0.7
