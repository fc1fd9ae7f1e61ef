"""General text: strewn into the lessons, and held back to measure what was forgotten."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from localtune.config.stages import LessonsConfig
from localtune.errors import ConfigError
from localtune.evaluation.forgetting import HELD_OUT, compared, general_loss, held_out
from localtune.evaluation.forgetting import token_losses as losses
from localtune.lessons.facts import sentences
from localtune.lessons.general import TEXTS, _read, with_general

LESSONS = [
    {"id": str(n), "messages": [{"role": "user", "content": f"Is it {n} o'clock then?"}]}
    for n in range(9000)
]


def words(rows: list[dict[str, object]]) -> int:
    return sum(len(str(row["text"]).split()) for row in rows if "text" in row)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_general_text_makes_up_its_share(share: float) -> None:
    mixed = with_general(LESSONS, share, 7)
    own = [row for row in mixed if "text" not in row]
    assert own == LESSONS  # all of them, in their order
    others = words(mixed)
    assert others / (others + 5 * len(LESSONS)) == pytest.approx(share, abs=0.01)
    half = words(mixed[: len(mixed) // 2])
    assert half == pytest.approx(others / 2, rel=0.2)  # strewn in evenly
    assert all(row["targets"] == "alone" for row in mixed if "text" in row)


def test_no_text_comes_twice_nor_a_sentence_before_all_others_have() -> None:
    drawn = [row["text"] for row in with_general(LESSONS * 4, 0.5, 7) if "text" in row]
    texts = {row["text"] for row in _read()}
    assert len(set(drawn)) == len(drawn) and texts <= set(drawn)
    every = Counter(sentence for text in texts for sentence in sentences(text))
    times = Counter(sentence for text in drawn for sentence in sentences(text))
    assert times.total() > 2.5 * every.total()
    once = [sentence for sentence, number in every.items() if number == 1]
    # A few are cut otherwise beside others.
    assert sum(times[sentence] in (2, 3, 4) for sentence in once) > 0.98 * len(once)


def test_without_a_share_the_lessons_stay_and_the_seed_decides() -> None:
    assert with_general(LESSONS, 0.0, 7) == LESSONS
    assert with_general(LESSONS, 0.1, 7) == with_general(LESSONS, 0.1, 7)
    assert with_general(LESSONS, 0.1, 7) != with_general(LESSONS, 0.1, 8)


def test_a_share_beyond_a_half_is_refused() -> None:
    for wrong in (-0.1, 0.51, math.nan):
        with pytest.raises(ConfigError, match="--replay"):
            LessonsConfig(replay=wrong).check()


def test_nothing_held_out_is_ever_replayed() -> None:
    replayed = " ".join(row["text"] for row in _read())
    for text in held_out():
        runs = text.split()
        inside = [" ".join(runs[i : i + 12]) in replayed for i in range(0, len(runs) - 12, 6)]
        assert not any(inside), text


def test_both_name_their_sources_and_stay_small() -> None:
    assert "CC0 1.0" in "".join(HELD_OUT.read_text(encoding="utf-8").splitlines()[:4])
    assert HELD_OUT.stat().st_size < 30_000
    assert TEXTS.stat().st_size < 150_000
    assert all(row["from"] and "@" not in row["text"] for row in _read())


class Model:
    """A model of three tokens that holds the next one to be likeliest, one in half of the cases."""

    context = 4

    def token_ids(self, text: str) -> list[int]:
        return [int(digit) for digit in text]

    def logits(self, ids: list[int]) -> np.ndarray:
        assert len(ids) < self.context
        rows = np.full((len(ids), 3), math.log(0.25), np.float32)
        rows[range(len(ids)), [(i + 1) % 3 for i in ids]] = math.log(0.5)
        return rows + 100  # logits are known up to a constant


def test_the_loss_is_the_mean_over_all_but_first_tokens() -> None:
    found = general_loss(Model(), ["012", "0212"])  # the second is cut to 021
    wanted = [math.log(2), math.log(2), math.log(4), math.log(4)]
    assert found == {"loss": pytest.approx(np.mean(wanted)), "tokens": 4}


def test_the_loss_of_a_token_is_its_cross_entropy_however_large_the_logits() -> None:
    found = losses(np.array([[1e4, 0.0], [0.0, 0.0]], np.float32), [1, 0])
    assert found.tolist() == pytest.approx([1e4, math.log(2)])


def test_the_rise_is_each_levels_own() -> None:
    general = {"base": {"loss": 4.0, "tokens": 9}, "Q8_0": {"loss": 3.5}, "Q4_K_M": {"loss": 4.25}}
    found = compared(general)
    assert found["rise"] == {"Q8_0": -0.5, "Q4_K_M": 0.25}
    assert (found["base"], found["tokens"], found["most"]) == (4.0, 9, 0.05)


def test_a_piece_has_sentences_and_fits_a_small_context() -> None:
    assert len(held_out()) > 40
    assert all(300 <= len(text) <= 1000 for text in held_out())
