"""The stream of packed rows: passes, lessons that rest, and going on from a checkpoint."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from localtune.training.stream import LessonStream, StreamState, stream_from
from localtune.training.tokenise import NUMBERS, PackedRows, Tokens

LESSONS = [Tokens([n] * 16, [n] * 16) for n in range(12)]


def data() -> PackedRows:
    return PackedRows(LESSONS, 64, 0)  # four lessons in a row, three rows


def seen(item: dict[str, torch.Tensor]) -> set[int]:
    return set(item[NUMBERS].tolist()) - {-1}


def hear(stream: LessonStream, known: set[int]) -> None:
    losses = torch.tensor([0.1 if n in known else 3.0 for n in range(12)])
    stream.hear(torch.arange(12), losses)


def test_each_pass_has_every_lesson_once_in_another_order() -> None:
    stream = iter(LessonStream(data(), 7))
    first, second = (list(islice(stream, 3)) for _ in range(2))
    for some in (first, second):
        assert sorted(n for item in some for n in seen(item)) == list(range(12))
    assert [seen(item) for item in first] != [seen(item) for item in second]


def test_what_is_known_rests_for_one_pass() -> None:
    stream = LessonStream(data(), 7)
    rows = iter(stream)
    list(islice(rows, 3))
    hear(stream, {0, 1, 2, 3})
    assert set().union(*(seen(item) for item in islice(rows, 2))) == set(range(4, 12))
    assert set().union(*(seen(item) for item in islice(rows, 3))) == set(range(12))


def test_one_token_that_is_not_known_keeps_a_lesson_awake() -> None:
    stream = LessonStream(data(), 7)
    stream.hear(torch.tensor([5, 5, 6]), torch.tensor([0.1, 0.9, 0.2]))
    assert stream.state()["known"] == [6]


def test_none_rests_where_none_is_to() -> None:
    stream = LessonStream(data(), 7, rests=False)
    hear(stream, {0, 1})
    assert not stream.state()["known"]


def test_where_all_are_known_none_rests() -> None:
    stream = LessonStream(data(), 7)
    rows = iter(stream)
    list(islice(rows, 3))
    hear(stream, set(range(12)))
    assert set().union(*(seen(item) for item in islice(rows, 3))) == set(range(12))


class Replay(Tokens):
    """A lesson of replay."""

    is_replay = True  # type: ignore[assignment]


def with_replay() -> PackedRows:
    return PackedRows([*LESSONS, *(Replay([n] * 16, [n] * 16) for n in range(12, 16))], 64, 0)


def test_replay_keeps_its_share_and_takes_turns() -> None:
    stream = LessonStream(with_replay(), 7)
    rows = iter(stream)
    passes = [set[int]().union(*(seen(item) for item in islice(rows, 4)))]
    for _ in range(2):
        hear(stream, set(range(6)))
        passes.append(set().union(*(seen(item) for item in islice(rows, 2))))
        hear(stream, set())
        list(islice(rows, 4))
    first, *later = passes
    assert first == set(range(16))
    assert all(n - set(range(12, 16)) == set(range(6, 12)) for n in later)
    replayed = [n & set(range(12, 16)) for n in later]
    assert [len(some) for some in replayed] == [2, 2] and not replayed[0] & replayed[1]


def test_a_stream_of_replay_alone_takes_all_of_it() -> None:
    alone = PackedRows([Replay([n] * 16, [n] * 16) for n in range(4)], 64, 0)
    rows = iter(LessonStream(alone, 7))
    assert seen(next(rows)) == seen(next(rows)) == set(range(4))


@pytest.mark.parametrize("made", [data(), with_replay()])
def test_a_stream_goes_on_from_its_checkpoint(made: PackedRows, tmp_path: Path) -> None:
    stream = LessonStream(made, 7)
    rows = iter(stream)
    list(islice(rows, 3))
    hear(stream, {0, 1, 2, 3})
    next(rows)
    hear(stream, {5})
    (tmp_path / "checkpoint-4").mkdir()
    StreamState(stream).on_save(
        SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=4), None
    )
    again = iter(stream_from(made, 7, True, str(tmp_path / "checkpoint-4")))
    for _ in range(9):
        assert torch.equal(next(rows)[NUMBERS], next(again)[NUMBERS])
