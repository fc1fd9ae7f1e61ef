"""Another program, run to its end or ended with us, all it says in one file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

LOG = "log"


def run(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Run a program in a folder and return its exit status, below 0 for a signal.

    What it says goes into the folder's file LOG; `environment` is added to ours. It is asked
    nothing (no stdin), and it is ended when we are stopped.
    """
    with (
        (folder / LOG).open("wb") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            return process.wait()
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
