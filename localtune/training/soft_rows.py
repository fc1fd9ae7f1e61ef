"""targets.safetensors -> packed rows that carry soft targets beside their labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from localtune.errors import InputError, TrainingError
from localtune.training.distil import MIXES, SOFT, Mix
from localtune.training.tokenise import IGNORED, PackedRows, Tokens

Lesson = dict[str, Any]
NAMES = ("ids", "logprobs")  # of the tensors in the file


def key_of(lesson: Lesson) -> bytes:
    """Return 16 bytes that are a lesson's own: of what is said, and of how it is asked."""
    said = [lesson.get(name) for name in ("messages", "text", "targets", "passage")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()[:16]


def asks(lesson: Lesson) -> bool:
    """Whether a lesson wants soft targets; raise InputError where it wants unknown ones."""
    kind = lesson.get("targets")
    if kind not in (None, *MIXES):
        raise InputError(
            f"A lesson asks for the targets {kind!r}; there are {' and '.join(MIXES)}.",
            "Run `localtune build` again; it makes the lessons anew.",
        )
    return kind is not None


@dataclass(frozen=True)
class SoftTokens(Tokens):
    """A lesson with soft targets: those of its learned tokens lie at `begin` to `end`."""

    begin: int
    end: int
    mix: Mix


class Targets:
    """The soft targets of a build; they stay on the disk until a row is asked for."""

    def __init__(self, file: Path | None) -> None:
        self._where: dict[bytes, tuple[int, int]] = {}
        self._file = safe_open(file, "np") if file and file.exists() else None
        if self._file:
            keys, ends = self._file.get_tensor("lessons"), self._file.get_tensor("ends").tolist()
            spans = zip([0, *ends], ends, strict=False)
            self._where = {key.tobytes(): span for key, span in zip(keys, spans, strict=True)}
            self.top = self._file.get_slice("ids").get_shape()[1]

    def __bool__(self) -> bool:
        return bool(self._where)

    def beside(self, lesson: dict[str, Any], tokens: Tokens) -> Tokens:
        """Return a lesson's tokens with the place of its targets, if it asks for any.

        Raises TrainingError where the file doesn't hold them.
        """
        if not asks(lesson):
            return tokens
        begin, end = self._where.get(key_of(lesson), (0, -1))
        learned = sum(label != IGNORED for label in tokens.labels[1:])
        if end - begin not in (0, learned):
            raise TrainingError(
                f"The soft targets of lesson {lesson.get('id', '')} are missing.",
                "Run `localtune build` again; it makes them anew.",
            )
        if begin == end:
            return tokens
        return SoftTokens(tokens.ids, tokens.labels, begin, end, MIXES[lesson["targets"]])

    def of(self, lesson: SoftTokens) -> list[torch.Tensor]:
        """Return the token ids and log-probabilities of a lesson, (learned, k) each."""
        assert self._file
        held = (self._file.get_slice(name)[lesson.begin : lesson.end] for name in NAMES)
        return [torch.from_numpy(np.ascontiguousarray(some)) for some in held]


class SoftRows(PackedRows):
    """Packed rows whose items also hold soft_ids, soft_logprobs and soft_weights, if any has some.

    (row, k), (row, k) and (row, 2): see distil.token_losses.
    """

    def __init__(self, lessons: Iterable[Tokens], row: int, pad: int, targets: Targets) -> None:
        super().__init__(lessons, row, pad)
        self._targets = targets

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        item = super().__getitem__(index)
        if not self._targets:
            return item
        length, top = len(item["labels"]), self._targets.top
        ids = torch.zeros((length, top), dtype=torch.int32)
        logprobs = torch.zeros((length, top), dtype=torch.float16)
        weights = torch.tensor([[1.0, 0.0]]).repeat(length, 1)
        at = 0
        for lesson in self.rows[index]:
            if isinstance(lesson, SoftTokens):
                learned = item["labels"][at : at + len(lesson.ids)] != IGNORED
                places = at + learned.nonzero()[:, 0]
                ids[places], logprobs[places] = self._targets.of(lesson)
                weights[places] = lesson.mix.weights()
            at += len(lesson.ids)
        return item | dict(zip(SOFT, (ids, logprobs, weights), strict=True))
