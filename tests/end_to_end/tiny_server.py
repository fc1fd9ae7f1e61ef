"""llama-cpp-python's own server with the built-in base: a pytest plugin."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_server(tiny_gguf: Path) -> Iterator[int]:
    """llama-cpp-python's own server with the built-in base; its port."""
    with socket.socket() as probed:
        probed.bind(("127.0.0.1", 0))
        port = int(probed.getsockname()[1])
    command = [sys.executable, "-m", "localtune.llama.openai_server", "--model", str(tiny_gguf)]
    command += ["--alias", "tiny", "--host", "127.0.0.1", "--port", str(port), "--ctx-size", "512"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        assert process.poll() is None
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
            break
        except OSError:
            time.sleep(0.1)
    yield port
    process.kill()
    process.wait()
