"""Several processes of one build: torchrun, accelerate launch or srun start them, the first leads.

The first process runs every stage; the others wait for its word, however long that takes, and join
it in the stages that share work. They speak through torch's store, whose address the launcher gives
in the environment. Without a launcher there is one process, and nothing here does anything.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from localtune.errors import ConfigError, TrainingError

END = "end"
POLL = 0.2  # seconds; waiting inside torch would not hear Ctrl-C
PATIENCE = 60.0  # seconds in which the first process has long started and found the same


def count() -> int:
    """Return how many processes this build has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that leads, or the only one."""
    return count() == 1 or os.environ.get("RANK", "0") == "0"


def let_the_first_speak() -> None:
    """Wait, where this process hasn't begun to follow, until the launcher ends it.

    The first process mostly fails of the same, and says so: were this one gone before it, the
    launcher would end the first in the middle of its sentence. Returns where nothing came.
    """
    if not first() and not _store.cache_info().currsize:
        time.sleep(PATIENCE)


def check_launcher() -> None:
    """Raise ConfigError where the launcher was told to shard the model, which nothing here does."""
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() in ("1", "true"):
            raise ConfigError(
                f"accelerate is configured for {name}, but each process holds the whole base here.",
                "Start it with torchrun, or with `accelerate launch --multi_gpu`.",
            )


@contextmanager
def leading() -> Iterator[None]:
    """Give the other processes leave to end once this one has."""
    if count() > 1:
        _store()
    yield
    call(END)


def call(word: str) -> None:
    """Tell the other processes to do what `follow` does at a word."""
    if count() > 1:
        said = _store().add("said", 1)
        _store().set(f"word {said}", word)


def follow(work: dict[str, Callable[[], Any]]) -> None:
    """Do what the first process says, until it says END. Raises TrainingError where it is gone."""
    from torch.distributed import DistError

    for number in range(1, 1 << 30):
        try:
            while not _store().check([f"word {number}"]):
                time.sleep(POLL)
            word = _store().get(f"word {number}").decode()
        except DistError as error:
            raise TrainingError(
                "The first process of this build has ended.", "What it said tells why."
            ) from error
        if word == END:
            return
        work[word]()


@functools.cache
def _store() -> Any:
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://"))
    return PrefixStore("localtune", store)
