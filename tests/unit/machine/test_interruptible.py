"""Tests that interrupt a process do so whatever the test run was started by."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

SLEEP = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]


@pytest.fixture(params=[signal.SIGINT, signal.SIGHUP])
def ignored(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Ignore a signal as a program does that was started with it ignored, as by nohup."""
    number: signal.Signals = request.param
    before = signal.signal(number, signal.SIG_IGN)
    yield number
    assert signal.signal(number, before) == signal.SIG_IGN, "left as it was"


@pytest.mark.usefixtures("ignored", "interruptible")
def test_a_child_ends_at_a_signal_that_the_test_run_ignores(ignored: signal.Signals) -> None:
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(ignored)
        assert process.wait(30) == -ignored


@pytest.mark.usefixtures("ignored", "interruptible")
def test_the_test_run_itself_goes_on(ignored: signal.Signals) -> None:
    os.kill(os.getpid(), ignored)
