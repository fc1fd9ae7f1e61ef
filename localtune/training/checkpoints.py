"""The folder of checkpoints that a training goes on from, and the learning rate it came down to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from localtune.workspace import read_json, remove, try_to_write, write_json

WHOLE = "whole"  # the file that marks a checkpoint as written to its end
RATE = "learning_rate.json"  # the halved one, after a divergence


def steps_between(steps: int) -> int:
    """Return after how many steps of a run there is a checkpoint: a tenth, but not a few."""
    return max(20, steps // 10)


def last_whole(checkpoints: Path) -> str | None:
    """The newest marked checkpoint; those that a killed process left half-written are removed."""
    found = sorted(checkpoints.glob("checkpoint-*"), key=_step)
    for path in found:
        if not (path / WHOLE).exists():
            remove(path)
    whole = [path for path in found if path.exists()]
    return str(whole[-1]) if whole else None


def go_back(checkpoints: Path, step: int, rate: float) -> None:
    """Remove the checkpoints that were written behind a step, and keep the rate from there on."""
    for path in checkpoints.glob("checkpoint-*"):
        if _step(path) > step:
            remove(path)
    write_json(checkpoints / RATE, {"learning_rate": rate})


def rate_of(checkpoints: Path) -> float | None:
    """Return the learning rate that a training came down to, None where it hasn't."""
    kept = checkpoints / RATE
    return float(read_json(kept)["learning_rate"]) if kept.is_file() else None


def _step(path: Path) -> int:
    return int(path.name.split("-")[1])


@contextmanager
def full_disk_is_an_os_error(folder: Path) -> Iterator[None]:
    """safetensors and torch.save make errors of their own out of a full disk."""
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), str(error)) from error
        try_to_write(folder)
        raise
