"""Packed rows pass after pass, without the lessons that are known by heart already.

A lesson of which every answer token was likely in one pass rests in the next one, so that the steps
go to what is not known yet. What the base said before (replay) never rests: as much of it goes into
each pass that its share stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.utils.data import IterableDataset
from transformers import TrainerCallback

from localtune.training.tokenise import PackedRows, Tokens, pack
from localtune.workspace import read_json, write_json

KNOWN = -math.log(0.6)  # nats: the loss of an answer token below which it is known
FILE = "stream.json"  # in a checkpoint


class LessonStream(IterableDataset[dict[str, torch.Tensor]]):
    """Endless items of `data`; each pass has another order, by the seed.

    `rests` says whether lessons that are known rest.
    """

    def __init__(self, data: PackedRows, seed: int, rests: bool = True) -> None:
        self._data, self._seed, self._rests = data, seed, rests
        self._learned = [one for one in data.lessons if not one.is_replay]
        replay = [one for one in data.lessons if one.is_replay]
        self._replay = Random(seed).sample(replay, len(replay))  # taken in turns
        self._pass = self._position = 0  # of the next row
        self._replayed = 0  # lessons of replay in the passes before
        self._resting: set[int] = set()  # numbers of lessons
        self._known: set[int] = set()  # of this pass

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            rows = self._rows()
            while self._position < len(rows):
                self._position += 1
                yield self._data.item(rows[self._position - 1])
            self._replayed += self._replay_in_pass()
            self._pass, self._position = self._pass + 1, 0
            self._resting, self._known = self._known, set()

    def hear(self, lessons: torch.Tensor, losses: torch.Tensor) -> None:
        """Take the losses of answer tokens, (tokens,), with the numbers of their lessons."""
        if self._rests:
            self._known |= set(lessons.tolist()) - set(lessons[losses >= KNOWN].tolist())

    def share(self, device: torch.device) -> None:
        """Take over what the other processes of a run heard; each hears lessons of its own."""
        flags = torch.zeros(len(self._data.lessons), device=device)
        flags[sorted(self._known)] = 1
        torch.distributed.all_reduce(flags)
        self._known = set(flags.nonzero().flatten().tolist())

    def state(self) -> dict[str, Any]:
        """Return what another stream needs to go on from here."""
        return {
            "pass": self._pass,
            "position": self._position,
            "replayed": self._replayed,
            "resting": sorted(self._resting),
            "known": sorted(self._known),
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Go on where a stream of the same lessons and seed was."""
        self._pass, self._position = state["pass"], state["position"]
        self._replayed = state["replayed"]
        self._resting, self._known = set(state["resting"]), set(state["known"])

    def _rows(self) -> list[list[Tokens]]:
        """Return the rows of a pass."""
        r = Random(f"{self._seed} {self._pass}")
        begin = self._replayed % max(1, len(self._replay))
        replay = (self._replay[begin:] + self._replay[:begin])[: self._replay_in_pass()]
        lessons = self._awake() + replay
        r.shuffle(lessons)
        rows = pack(lessons, self._data.row)
        r.shuffle(rows)
        return rows

    def _awake(self) -> list[Tokens]:
        """Return the lessons of a pass. Where all rest, all are taken."""
        return [one for one in self._learned if one.number not in self._resting] or [*self._learned]

    def _replay_in_pass(self) -> int:
        """Return how many lessons of replay go into a pass: their share as in all lessons."""
        awake, learned = (
            sum(len(one.ids) for one in some) for some in (self._awake(), self._learned)
        )
        return math.ceil(len(self._replay) * awake / learned) if learned else len(self._replay)


class StreamState(TrainerCallback):
    """Keep a stream's state in each checkpoint."""

    def __init__(self, stream: LessonStream) -> None:
        self._stream = stream

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_json(checkpoint / FILE, self._stream.state())


def stream_from(data: PackedRows, seed: int, rests: bool, checkpoint: str | None) -> LessonStream:
    """Return the stream of lessons, as it was at a checkpoint if there is one."""
    stream = LessonStream(data, seed, rests)
    if checkpoint and (Path(checkpoint) / FILE).is_file():
        stream.go_on_from(read_json(Path(checkpoint) / FILE))
    return stream
