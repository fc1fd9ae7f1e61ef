"""What tests of all folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT end the processes that a test starts, also where the test run ignores it.

    nohup, a script's background job and some CI runners start programs with SIGINT ignored, and
    every child inherits that. It does not inherit a handler, so the test run goes on ignoring it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, before)
