"""A GGUF that continues several conversations at once: the same texts, and no lost request."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest

from localtune.errors import LocaltuneError
from localtune.llama.engine_writer import EngineWriter, Finished
from localtune.llama.llama import CrashError, Model
from localtune.llama.writer import SEQUENCES, LocalWriter
from localtune.llama.writing import Completion, Request, UnusableError
from localtune.machine.processes import Remote
from localtune.prompts import Message

CRASHING_SEED = -1  # NumPy refuses it, which ends the child process as a failed assertion does
NEAR_TIE = 0.1  # gap of two logits, below which rounding may choose either
THINGS = ("the keys", "the slipway", "a mooring", "hull cleaning", "the crane", "the paint store",
          "the yard", "a mast", "the office", "the ropes", "a locker", "the gate")  # fmt: skip
QUESTIONS = [f"Who looks after {thing}, and what does it cost?" for thing in THINGS]


def chat(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def request(number: int, text: str, **more: Any) -> Request:
    return Request(number, tuple(chat(text)), **{"max_tokens": 24, **more})


@pytest.fixture
def writer(tiny_gguf: Path) -> LocalWriter:
    return LocalWriter(tiny_gguf, "tiny")


def at_once(
    writer: LocalWriter, texts: Sequence[str], seeds: Sequence[int] = (), **options: Any
) -> list[Completion | LocaltuneError]:
    """Ask for all texts at the same time; return each result, or the error."""

    def ask(text: str, seed: int) -> Completion | LocaltuneError:
        try:
            return writer.write(chat(text), seed=seed, **{"max_tokens": 24, **options})
        except LocaltuneError as error:
            return error

    with ThreadPoolExecutor(len(texts)) as threads:
        return list(threads.map(ask, texts, seeds or range(len(texts))))


def finish(writer: EngineWriter, requests: list[Request]) -> dict[int, Completion | UnusableError]:
    """Advance a writer of this process until all requests are finished."""
    results: dict[int, Completion | UnusableError] = {}
    while waiting := [one for one in requests if one.number not in results]:
        finished: list[Finished] = writer.advance(waiting)
        assert not {number for number, _ in finished} & set(results), "a request finished twice"
        results |= finished
    return results


def gap_at_difference(model: Model, messages: list[Message], text: str, most: int) -> float:
    """Return how far apart the two likeliest tokens are where another text leaves the model's."""
    whole = model.ask(messages, most)
    for length in range(1, len(whole.ids) + 1):
        if not text.startswith(model.ask(messages, length).text):
            ids = [*model.token_ids(model.render(messages)), *whole.ids[: length - 1]]
            second, first = sorted(model.logits(ids)[-1])[-2:]
            return float(first - second)
    return 0.0 if text == whole.text else float("inf")


def test_texts_written_at_once_are_those_of_each_alone(
    tiny_gguf: Path, writer: LocalWriter
) -> None:
    model = Model(tiny_gguf)
    alone = [model.ask(chat(text), 24) for text in QUESTIONS]
    together = at_once(writer, QUESTIONS)
    same = 0
    for text, expected, found in zip(QUESTIONS, alone, together, strict=True):
        assert isinstance(found, Completion) and found.text
        if found == Completion(expected.text, expected.ended):
            same += 1
        else:
            assert gap_at_difference(model, chat(text), found.text, 24) < NEAR_TIE
    assert 2 * same >= len(QUESTIONS)


def test_the_likeliest_first_tokens_are_told_with_their_probabilities(
    tiny_gguf: Path, writer: LocalWriter
) -> None:
    model = Model(tiny_gguf)
    logits = model.logits(model.token_ids(model.render(chat(QUESTIONS[0]))))[-1].astype(float)
    expected = np.sort(logits - np.logaddexp.reduce(logits))[::-1][:6]
    results = at_once(writer, QUESTIONS, max_tokens=1, top=6)
    assert isinstance(results[0], Completion)
    assert [value for _, value in results[0].first] == pytest.approx(expected, abs=0.05)
    assert results[0].text == results[0].first[0][0].strip()
    assert writer.write(chat(QUESTIONS[0]), max_tokens=1).first == ()


def test_more_requests_than_sequences_are_all_answered(writer: LocalWriter) -> None:
    texts = [f"{text} Part {part}." for part in range(3) for text in QUESTIONS]
    results = at_once(writer, texts, max_tokens=8)
    assert len(results) == len(texts) > SEQUENCES
    assert all(isinstance(result, Completion) for result in results)


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return what says how many tokens llama.cpp has computed since the last call."""
    decode: Any = llama_cpp.llama_decode
    tokens = 0

    def count(context: Any, batch: Any) -> Any:
        nonlocal tokens
        tokens += batch.n_tokens
        return decode(context, batch)

    def taken() -> int:
        nonlocal tokens
        before, tokens = tokens, 0
        return before

    monkeypatch.setattr(llama_cpp, "llama_decode", count)
    return taken


def test_a_common_beginning_is_computed_once(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beginning = "The boatyard rents moorings and repairs hulls. " * 10
    computed = counted(monkeypatch)

    def tokens_of(sequences: int, questions: Sequence[str]) -> tuple[int, list[str]]:
        writer = EngineWriter(tiny_gguf, sequences, 2048, 8192, 1)
        requests = [request(i, beginning + text) for i, text in enumerate(questions)]
        results = finish(writer, requests)
        texts = [result.text for _, result in sorted(results.items()) if result]  # type: ignore[union-attr]
        return computed(), texts

    (one, _), (two, texts) = tokens_of(4, QUESTIONS[:1]), tokens_of(4, QUESTIONS[:4])
    prompt = one - 24
    assert prompt > 100, "the beginning is long"
    assert two < 2 * prompt + 4 * 24
    assert len(set(texts)) > 1, "each has its own answer"


def test_a_later_request_uses_the_beginning_of_an_ended_one(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, computed = EngineWriter(tiny_gguf, 2, 1024, 4096, 1), counted(monkeypatch)
    text = "The boatyard rents moorings and repairs hulls. " * 10
    first = finish(writer, [request(1, text, max_tokens=8)])[1]
    before = computed()
    assert finish(writer, [request(2, text, max_tokens=8)])[2] == first
    assert computed() < before / 3


def test_a_request_that_does_not_fit_is_unusable_and_harms_no_other(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny", context=256)
    texts = [QUESTIONS[0], "key " * 2000, QUESTIONS[1]]
    one, large, other = at_once(writer, texts)
    assert isinstance(large, UnusableError) and "does not fit into 256" in large.message
    assert "--passage-tokens" in large.hint
    assert isinstance(one, Completion) and isinstance(other, Completion)


def test_an_answer_ends_at_the_end_of_the_context(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny", context=160)
    text, ended, _ = writer.write(chat(QUESTIONS[0]), max_tokens=10_000, temperature=2.0)
    assert text and (ended or len(text.split()) < 160)


def test_a_text_ends_before_a_stop_string_and_then_is_whole(writer: LocalWriter) -> None:
    whole, *_ = writer.write(chat(QUESTIONS[0]), max_tokens=40)
    middle = len(whole) // 2
    stop = whole[middle : middle + 6]
    cut = writer.write(chat(QUESTIONS[0]), max_tokens=40, stop=("never said", stop))
    assert cut == Completion(whole[: whole.index(stop)].strip(), True)
    assert writer.write(chat(QUESTIONS[0]), max_tokens=40, stop=("\x00",)).text == whole


def test_a_text_that_is_cut_off_at_its_limit_has_not_ended(writer: LocalWriter) -> None:
    assert not writer.write(chat(QUESTIONS[0]), max_tokens=3).ended
    whole = writer.write(chat("hi"), max_tokens=400)
    assert whole.text and len(writer.write(chat("hi"), max_tokens=3).text) < len(whole.text)


def test_a_seed_chooses_the_text_and_a_temperature_of_zero_needs_none(writer: LocalWriter) -> None:
    def texts(temperature: float) -> list[str]:
        asked = chat(QUESTIONS[0])
        return [
            writer.write(asked, max_tokens=24, temperature=temperature, seed=seed).text
            for seed in (1, 2, 1)
        ]

    first, other, again = texts(1.5)
    assert first == again != other
    assert len(set(texts(0.0))) == 1


def test_a_request_that_was_given_up_makes_room_for_others(tiny_gguf: Path) -> None:
    writer = EngineWriter(tiny_gguf, 1, 512, 512, 1)
    assert writer.advance([request(1, QUESTIONS[0], max_tokens=200)]) == []
    assert set(finish(writer, [request(2, QUESTIONS[1])])) == {2}


def test_a_full_cache_delays_requests_but_loses_none(tiny_gguf: Path) -> None:
    writer = EngineWriter(tiny_gguf, 8, 256, 300, 1)
    requests = [request(i, text, max_tokens=60) for i, text in enumerate(QUESTIONS)]
    results = finish(writer, requests)
    assert len(results) == len(QUESTIONS)
    assert all(isinstance(result, Completion) and result.text for result in results.values())


def test_a_crash_at_one_request_leaves_all_others_finished(writer: LocalWriter) -> None:
    seeds = [1, 2, 3, CRASHING_SEED, 5, 6]
    results = at_once(writer, QUESTIONS[:6], seeds, max_tokens=8)
    failed = [result for result in results if not isinstance(result, Completion)]
    assert failed == [results[3]]
    assert isinstance(failed[0], UnusableError) and "crashed" in failed[0].message


def signalled(what: signal.Signals, after: float = 0.3) -> threading.Timer:
    """Send a signal to the child process after so many seconds."""
    timer = threading.Timer(after, lambda: os.kill(Remote.worker().process_id, what))
    timer.start()
    return timer


def test_a_crash_in_mid_writing_costs_no_text(writer: LocalWriter) -> None:
    before, timer = Remote.worker().process_id, signalled(signal.SIGSEGV)
    results: list[Completion | LocaltuneError] = []
    while timer.is_alive():
        results += at_once(writer, QUESTIONS, max_tokens=100, temperature=1.0)
    assert all(isinstance(result, Completion) and result.text for result in results)
    assert writer.write(chat("hi"), max_tokens=3) and Remote.worker().process_id != before


def test_a_process_killed_in_mid_writing_is_an_error_for_every_request(
    writer: LocalWriter,
) -> None:
    timer = signalled(signal.SIGKILL)

    def write_until_error(number: int) -> LocaltuneError:
        while True:
            try:
                writer.write(chat(QUESTIONS[number]), max_tokens=100, temperature=1.0)
            except LocaltuneError as error:
                return error

    with ThreadPoolExecutor(4) as threads:
        errors = list(threads.map(write_until_error, range(4)))
    timer.join()
    for error in errors:
        assert isinstance(error, CrashError) and error.killed
        assert "memory may have run out" in error.message and error.hint


def test_a_base_without_a_chat_template_still_answers(
    tiny_gguf: Path, writer: LocalWriter, tmp_path: Path
) -> None:
    assert writer.parallel == SEQUENCES and writer.identity == "tiny"
    bare = tmp_path / "bare.gguf"
    with_template = tiny_gguf.read_bytes()
    assert b"tokenizer.chat_template" in with_template
    bare.write_bytes(with_template.replace(b"tokenizer.chat_template", b"tokenizer.chat_nothing_"))
    base = LocalWriter(bare, "bare")
    assert base.write(chat(QUESTIONS[0]), max_tokens=8).text
