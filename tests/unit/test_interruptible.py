"""Tests that interrupt a process do so whatever the test run was started by."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

SLEEP = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]


@pytest.fixture
def under_nohup() -> Iterator[None]:
    """Ignore SIGINT as a program does that was started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    assert signal.signal(signal.SIGINT, before) == signal.SIG_IGN, "left as it was"


@pytest.mark.usefixtures("under_nohup", "interruptible")
def test_a_child_ends_at_ctrl_c_where_the_test_run_ignores_it() -> None:
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT


@pytest.mark.usefixtures("under_nohup", "interruptible")
def test_the_test_run_itself_goes_on() -> None:
    os.kill(os.getpid(), signal.SIGINT)
