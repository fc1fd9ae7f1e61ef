"""A server in a process of its own that never outlives this one. Knows no particular server."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 10  # seconds a server is given to end by itself
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server and end it with the context.

    `options` are Popen's. Raises OSError where it can't be started.
    """
    server = subprocess.Popen(command, preexec_fn=bound_to(os.getpid()), **options)
    try:
        yield server
    finally:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server, whatever it does at the moment."""
    server.terminate()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def bound_to(parent: int) -> Callable[[], None] | None:
    """Return what makes a new process end when this one is killed with no time to end it.

    Linux knows how; elsewhere a server stays, and None is returned.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here, as little is safe between fork and exec

    def bind() -> None:
        prctl(DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before that
            os._exit(1)

    return bind
