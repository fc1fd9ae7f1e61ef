"""The ladder: which level is recommended, what is measured, how it is shown."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from localtune.cli.listing import show_ladder
from localtune.errors import ConfigError, EvaluationError
from localtune.evaluation.ladder import recommend, sit, stray
from localtune.llama.level_names import FINE, LEVELS, check_levels, wants_imatrix
from localtune.llama.llama import Answer
from localtune.report.charts import standalone
from localtune.report.ladder import COLUMNS, ladder_chart, ladder_rows, ladder_view
from localtune.template_files import templates_folder

MASTER = {"level": "BF16 master", "bytes": 100, "recall": 0.95}


def rungs(*rows: tuple[str, int, float]) -> list[dict[str, Any]]:
    return [{"level": level, "bytes": size, "recall": recall} for level, size, recall in rows]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([("Q8_0", 50, 0.95), ("Q4_K_M", 30, 0.94), ("Q2_K", 20, 0.90)], "Q4_K_M"),
        ([("Q8_0", 50, 0.95), ("Q4_K_M", 30, 0.935), ("Q2_K", 20, 0.9349)], "Q4_K_M"),
        ([("Q8_0", 50, 0.96), ("Q4_K_M", 30, 0.94), ("Q2_K", 20, 0.93)], "Q8_0"),
        ([("Q8_0", 50, 0.90), ("Q4_K_M", 30, 0.91), ("Q2_K", 20, 0.91)], "Q2_K"),
        ([("Q2_K", 20, 0.95), ("Q8_0", 50, 0.95)], "Q2_K"),
        ([], ""),
    ],
)
def test_the_smallest_that_knows_nearly_as_much(
    rows: list[tuple[str, int, float]], wanted: str
) -> None:
    level, why = recommend(MASTER, rungs(*rows))
    assert level == wanted and why.endswith(".")


def test_a_level_that_was_not_measured_is_not_recommended() -> None:
    found = [*rungs(("Q8_0", 50, 0.95)), {"level": "IQ1_S", "why": "no matrix"}]
    assert recommend(MASTER, found)[0] == "Q8_0"


class Parrot:
    """A model of four words whose next-token logits depend on the last word alone."""

    context = 64

    def __init__(self, noise: float) -> None:
        table = np.random.default_rng(7).normal(size=(4, 4))
        self.table = (table + noise * np.random.default_rng(8).normal(size=(4, 4))).astype("f4")

    def render(self, messages: list[dict[str, str]]) -> str:
        return messages[-1]["content"]

    def token_ids(self, text: str) -> list[int]:
        return [len(word) % 4 for word in text.split()]

    def logits(self, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return self.table[ids]

    def ask(self, messages: list[dict[str, str]], max_tokens: int = 64) -> Answer:
        return Answer("nine to five", (0, 2, 0), True)


EXAM = [
    {"id": "1", "question": "When is it open, and why?", "answers": ["nine"]},
    {"id": "2", "question": "Who keeps it?", "answers": ["Okafor"]},
]


def test_an_exam_is_sat_and_its_text_kept() -> None:
    sat = sit(Parrot(0), EXAM, 64)
    assert sat.rung["recall"] == 0.5 and sat.rung["answer_tokens"] == 6
    assert sat.rung["tokens_per_second"] > 0
    assert sat.texts == [[0, 2, 2, 1, 3, 0, 0, 2, 0], [3, 1, 3, 0, 2, 0]]
    with pytest.raises(EvaluationError):
        sit(Parrot(0), [], 64)


def test_divergence_grows_with_the_noise() -> None:
    texts = sit(Parrot(0), EXAM, 64).texts
    found = [stray(Parrot(0), Parrot(noise), texts) for noise in (0, 0.1, 1)]
    assert found[0] == {"kl": 0.0, "top1": 1.0, "tokens": 15}
    assert found[0]["kl"] < found[1]["kl"] < found[2]["kl"]
    assert all(0 <= one["top1"] <= 1 for one in found)


def ladder() -> dict[str, Any]:
    """What work/ladder.json holds."""
    score = {"interval": [0.9, 0.97], "tokens_per_second": 1651.2, "answer_tokens": 900}
    return {
        "questions": 160,
        "master": {**MASTER, **score, "bytes": 11_700_000, "sha256": "0"},
        "levels": [
            {"level": "Q4_K_M", "own": True, "bytes": 3_780_960, "recall": 0.9437, **score,
             "kl": 0.01293, "top1": 0.977, "tokens": 4000},
            {"level": "IQ1_S", "own": False, "why": "It <needs> a matrix."},
        ],
        "recommended": "Q4_K_M",
        "why": "It is the smallest.",
    }  # fmt: skip


def test_the_table_says_what_was_measured_and_what_was_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ladder_rows(ladder())
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert rows[0][2:4] == ["–", "–"], "the master doesn't stray from itself"
    assert rows[1] == ["Q4_K_M", "3.8 MB", "0.0129", "97.7 %", "94.4 %", "90–97 %", "1,651"]
    assert "not measured" in rows[2]
    show_ladder(ladder())
    said = capsys.readouterr().out
    assert "IQ1_S was not measured: It <needs> a matrix." in said
    assert "Recommended: Q4_K_M. It is the smallest." in said


def test_the_picture_is_one_file() -> None:
    style = (templates_folder() / "report.css").read_text(encoding="utf-8")
    root = ElementTree.fromstring(standalone(ladder_chart(ladder()), style))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = "".join(root.itertext())
    assert "Q4_K_M" in words and "3.8 MB, KL 0.013" in words and "IQ1_S" not in words


def test_a_report_without_a_ladder_shows_none() -> None:
    assert ladder_view(None) is None
    assert ladder_view(ladder())["recommended"] == "Q4_K_M"  # type: ignore[index]


def test_importance_below_q6_k_only() -> None:
    assert FINE[-1] == "Q6_K" and not any(map(wants_imatrix, FINE))
    assert all(wants_imatrix(level) for level in LEVELS if level not in FINE)
    check_levels(LEVELS)
    with pytest.raises(ConfigError, match="--to names a level 'q4_k_m'"):
        check_levels(["q4_k_m"], "--to")
