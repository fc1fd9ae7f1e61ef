"""Which layer differs first is said also where there are no numbers to compare."""

from __future__ import annotations

import numpy as np
import pytest

from localtune.evaluation.layers import first_difference

ONES = np.ones((3, 4), np.float32)
NO_NUMBERS = np.full((3, 4), np.nan, np.float32)
ENDLESS = np.full((3, 4), np.inf, np.float32)


@pytest.mark.parametrize("other", [NO_NUMBERS, ENDLESS, -100 * ONES])
@pytest.mark.filterwarnings("error")
def test_a_layer_that_is_spoilt_altogether_is_named(other: np.ndarray) -> None:
    for pair in ((ONES, other), (other, ONES * 0)):
        said = first_difference([ONES, pair[0]], [ONES, pair[1]])
        assert "layer 2 of 2 is the first whose output differs" in said


def test_where_it_differs_most_is_where_there_is_no_number() -> None:
    spoilt = ONES * 2
    spoilt[1, 2] = np.nan
    said = first_difference([ONES], [spoilt])
    assert "altogether; most at token 2, dimension 3: PyTorch has 1, llama.cpp nan" in said


def test_rows_of_nothing_but_zeros_are_alike() -> None:
    assert "all 1 layers agree" in first_difference([ONES * 0], [ONES * 0])
