"""A call in a fresh process: what it holds is then its own, and nothing stays behind.

What earlier work freed in a process fits no later block: the same steps held 9.6 GB in a fresh one
and 11.0 GB behind smaller trials (docs/decisions/0018-plan.md).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from localtune.errors import LocaltuneError, TrainingError
from localtune.own_process import module_command, module_environment

P = ParamSpec("P")
R = TypeVar("R")


def in_fresh_process(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a function of a module returns; everything goes through pickle.

    Raises what the call raises where it is a LocaltuneError, TrainingError where the process ends.
    """
    done = subprocess.run(
        module_command("localtune.planning.fresh"),
        input=pickle.dumps((call, args, kwargs)),
        capture_output=True,
        check=False,
        env=module_environment(),
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TrainingError(
            f"The few steps that a plan tries ended ({last or f'signal {-done.returncode}'}).",
            "Without a message, memory lacks: lower --batch-tokens, or choose a smaller --base.",
        )
    found = pickle.loads(done.stdout)
    if isinstance(found, LocaltuneError):
        raise found
    return found  # type: ignore[no-any-return]


def main() -> None:
    """Do the call that stands in the standard input.

    What it prints goes to the errors, also what a library's own C code prints.
    """
    call, args, kwargs = pickle.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        try:
            found = call(*args, **kwargs)
        except LocaltuneError as error:
            found = error
        out.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
