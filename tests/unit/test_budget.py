"""How much is written: whole numbers that grow with corpus and effort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localtune.lessons.budget import (
    EFFORTS,
    FEWEST,
    LEAST_REPLAY,
    REPLAY,
    TIMES,
    budget,
    flops,
    replayed,
    share_of,
)
from localtune.lessons.replay import chosen, prompts

CORPORA = st.integers(min_value=0, max_value=50_000_000)


@given(CORPORA, st.sampled_from(EFFORTS))
def test_questions_are_a_tenth_of_the_tokens_and_at_least_so_many(corpus: int, effort: str) -> None:
    made = budget(corpus, effort)
    assert made.questions >= max(FEWEST, corpus // 10)
    assert effort == "max" or made.questions == max(FEWEST, corpus // 10)
    assert 0 <= made.restated <= made.questions


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_synthetic_text_is_so_many_times_a_large_corpus(effort: str) -> None:
    made = budget(1_000_000, effort)
    wanted = TIMES[effort] * 1_000_000
    assert made.tokens <= wanted
    assert made.tokens >= wanted * (0.75 if effort == "normal" else 0.95)
    assert abs(made.restated - made.questions) <= 1 or effort == "quick"


def test_more_effort_makes_more() -> None:
    for corpus in (500, 20_000, 3_000_000):
        quick, normal, most = (budget(corpus, effort).tokens for effort in EFFORTS)
        assert quick < normal <= most


@given(st.integers(min_value=0, max_value=100_000), st.sampled_from(EFFORTS))
def test_replay_is_its_share_or_the_most_there_is(lessons: int, effort: str) -> None:
    most, share = REPLAY[effort]
    number = replayed(lessons, effort)
    assert number <= most <= len(prompts())
    if number and number < most:
        assert share - 1e-9 <= number / (number + lessons) <= max(0.5, share) + 0.001
    assert number >= min(LEAST_REPLAY, lessons)


@given(CORPORA, st.integers(min_value=1, max_value=8192), st.sampled_from(EFFORTS))
def test_a_passage_gets_its_share(corpus: int, passage: int, effort: str) -> None:
    share = share_of(passage, max(corpus, passage), effort)
    assert 1 <= share.facts <= max(1, passage // 12)
    assert 5 <= share.forward <= 20 and share.unknown >= 1


def test_the_shares_add_up_to_the_budget() -> None:
    corpus, tokens = 100_000, 500
    share = share_of(tokens, corpus, "normal")
    asked = (share.facts * (share.forward + 2) + 2) * corpus / tokens
    assert budget(corpus, "normal").questions <= asked <= 1.2 * budget(corpus, "normal").questions


def test_work_grows_with_the_model() -> None:
    assert flops(10_000, "quick", 2_000_000) == 2 * flops(10_000, "quick", 1_000_000)


def test_the_prompts_are_many_varied_and_chosen_by_seed() -> None:
    everything = prompts()
    assert 1500 <= len(everything) == len(set(everything)) <= 2500
    assert not any("{}" in prompt or len(prompt) > 300 for prompt in everything)
    assert len({prompt.split()[0] for prompt in everything[:200]}) > 20
    assert chosen(50, 7) == chosen(50, 7) != chosen(50, 8)
    assert len(chosen(10_000, 7)) == len(everything)
