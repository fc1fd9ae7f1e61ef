"""targets.safetensors -> lessons that carry soft targets beside their labels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from localtune.errors import InputError, TrainingError
from localtune.training.distil import MIXES, SOFT, Mix
from localtune.training.tokenise import IGNORED, Tokens

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

    def beside(self, lesson: Lesson, tokens: Tokens) -> Tokens:
        """Return a lesson's tokens with its targets, if any lesson of the build has some.

        Raises TrainingError where the file doesn't hold those it asks for.
        """
        if not asks(lesson):
            return SoftTokens(tokens.ids, tokens.labels, self) if self else tokens
        begin, end = self._where.get(key_of(lesson), (0, -1))
        learned = sum(label != IGNORED for label in tokens.labels[1:])
        if end - begin not in (0, learned):
            raise TrainingError(
                f"The soft targets of lesson {lesson.get('id', '')} are missing.",
                "Run `localtune build` again; it makes them anew.",
            )
        mix = MIXES[lesson["targets"]] if end > begin else None
        return SoftTokens(tokens.ids, tokens.labels, self, begin, end, mix)

    def between(self, begin: int, end: int) -> list[torch.Tensor]:
        """Return token ids and log-probabilities, (end - begin, k) each."""
        assert self._file
        held = (self._file.get_slice(name)[begin:end] for name in NAMES)
        return [torch.from_numpy(np.ascontiguousarray(some)) for some in held]


@dataclass(frozen=True)
class SoftTokens(Tokens):
    """A lesson of a build with soft targets: its own lie at `begin` to `end`, if it has some."""

    kept: Targets
    begin: int = 0
    end: int = 0
    mix: Mix | None = None

    @property
    def is_replay(self) -> bool:
        """Whether the targets are the base's own, alone with the prompt."""
        return self.mix == MIXES["alone"]

    def more(self) -> dict[str, torch.Tensor]:
        """Return soft_ids, soft_logprobs (tokens, k) and soft_weights (tokens, 2).

        See distil.token_losses.
        """
        length, top = len(self.ids), self.kept.top
        ids = torch.zeros((length, top), dtype=torch.int32)
        logprobs = torch.zeros((length, top), dtype=torch.float16)
        weights = torch.tensor([[1.0, 0.0]]).repeat(length, 1)
        if self.mix:
            places = [i for i, label in enumerate(self.labels) if i and label != IGNORED]
            ids[places], logprobs[places] = self.kept.between(self.begin, self.end)
            weights[places] = self.mix.weights()
        return dict(zip(SOFT, (ids, logprobs, weights), strict=True))
