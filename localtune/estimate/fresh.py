"""A call in a fresh process: its memory is its own, and is free again afterwards.

What earlier work freed in a process fits no later block: the same steps held 9.6 GB in a fresh one
and 11.0 GB after smaller trials (docs/decisions/0018-plan.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from localtune.errors import TrainingError
from localtune.machine.processes import ProcessEndedError, Worker

P = ParamSpec("P")
R = TypeVar("R")


def in_fresh_process(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a function of a module returns.

    Raises the LocaltuneError that it raises, TrainingError where the process ends.
    """
    try:
        with Worker() as worker:
            return worker.call(call, *args, **kwargs)
    except ProcessEndedError as error:
        raise TrainingError(
            f"The trial steps of the estimate ended ({error.message}).",
            "If there is no message, memory probably ran out: lower train.batch_tokens in "
            "localtune.toml, or choose a smaller --base.",
        ) from error
