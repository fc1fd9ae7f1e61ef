"""`localtune serve` with a stand-in for llama-server, which never outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_build import make_build

from localtune.build.job import Build

pytestmark = pytest.mark.slow

WRITES_ITS_ID = '#!/bin/sh\necho $$ > "$HEARD.new" && mv "$HEARD.new" "$HEARD"\n'
LINGERS = f"{WRITES_ITS_ID}exec sleep 600\n"
IGNORES = f"{WRITES_ITS_ID}trap '' TERM INT HUP\nwhile :; do sleep 1; done\n"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return make_build(tmp_path_factory.mktemp("built in") / "my build", levels=("Q8_0",))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("number", "script"),
    [
        (signal.SIGTERM, LINGERS),
        (signal.SIGHUP, LINGERS),
        (signal.SIGINT, LINGERS),
        (signal.SIGTERM, IGNORES),  # as one that is busy does
    ],
)
@pytest.mark.usefixtures("interruptible")
def test_llama_server_ends_with_localtune(
    number: signal.Signals, script: str, build: Build, tmp_path: Path
) -> None:
    program, heard = tmp_path / "bin" / "llama-server", tmp_path / "heard"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    arguments = ["serve", str(build.at.folder), "--port", str(free_port())]
    process = subprocess.Popen(
        [sys.executable, "-m", "localtune", *arguments],
        env={**os.environ, "PATH": path, "HEARD": str(heard), "LOCALTUNE_API_KEY": "k"},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert eventually(heard.exists), "it is started"
    started = int(heard.read_text())
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    assert eventually(lambda: not is_running(started)), "it outlives localtune"


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # a zombie has ended; who should reap it may be away
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
