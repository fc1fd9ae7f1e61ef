"""How many answers of the base are mixed in: a whole number that grows with the lessons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.lessons.budget import EFFORTS, LEAST_REPLAY, REPLAY, replayed
from localtune.lessons.replay import chosen, prompts


@given(st.integers(min_value=0, max_value=100_000), st.sampled_from(EFFORTS))
def test_replay_is_its_share_or_the_most_there_is(lessons: int, effort: str) -> None:
    most, share = REPLAY[effort]
    number = replayed(lessons, effort)
    assert number <= most <= len(prompts())
    if number and number < most:
        assert share - 1e-9 <= number / (number + lessons) <= max(0.5, share) + 0.001
    assert number >= min(LEAST_REPLAY, lessons)


@pytest.mark.parametrize("lessons", [1, 400, 5_000, 100_000])
def test_more_effort_and_more_lessons_mix_in_more(lessons: int) -> None:
    numbers = [replayed(lessons, effort) for effort in EFFORTS]
    assert numbers == sorted(numbers)
    assert all(replayed(lessons, effort) <= replayed(2 * lessons, effort) for effort in EFFORTS)


def test_the_prompts_are_many_varied_and_chosen_by_seed() -> None:
    everything = prompts()
    assert 1500 <= len(everything) == len(set(everything)) <= 2500
    assert not any("{}" in prompt or len(prompt) > 300 for prompt in everything)
    assert len({prompt.split()[0] for prompt in everything[:200]}) > 20
    assert chosen(50, 7) == chosen(50, 7) != chosen(50, 8)
    assert len(chosen(10_000, 7)) == len(everything)
