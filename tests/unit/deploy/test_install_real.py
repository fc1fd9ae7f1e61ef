"""The same on a real Ollama: the one that OLLAMA_HOST names, or one started for the test."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_build import make_build

from localtune.build.job import Build
from localtune.errors import ServerError
from localtune.ollama.client import Ollama, Unreachable
from localtune.ollama.host import server_url

PROGRAM = shutil.which("ollama")
pytestmark = [
    pytest.mark.ollama,
    pytest.mark.skipif(
        not PROGRAM and not os.environ.get("OLLAMA_HOST"),
        reason="needs Ollama: set OLLAMA_HOST, or install it so that `ollama` is on the PATH",
    ),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server's address."""
    if os.environ.get("OLLAMA_HOST"):
        yield server_url()
        return
    assert PROGRAM
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    store = str(tmp_path_factory.mktemp("store"))
    own = {**os.environ, "OLLAMA_HOST": address, "OLLAMA_MODELS": store}
    process = subprocess.Popen([PROGRAM, "serve"], env=own, stderr=subprocess.DEVNULL)
    try:
        wait_for(server_url(address))
        yield server_url(address)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str) -> None:
    end = time.monotonic() + 60
    with Ollama(url) as ollama:
        while time.monotonic() < end:
            try:
                ollama.version()
                return
            except Unreachable:
                time.sleep(0.2)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return make_build(tmp_path_factory.mktemp("real") / "bob's build", levels=("Q8_0", "Q4_K_M"))


def localtune(url: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localtune", *map(str, args)]
    own = {**os.environ, "OLLAMA_HOST": url}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=own, stdin=subprocess.DEVNULL
    )


def test_a_build_is_installed_swapped_and_removed(url: str, build: Build) -> None:
    name = f"localtune-test-{secrets.token_hex(4)}:small"
    try:
        done = localtune(url, "install", build.at.folder, "--name", name, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["name"] == name and found["prompt"] in ("same", "unknown"), done.stderr
        with Ollama(url) as ollama:
            assert name in ollama.models()
        again = localtune(url, "install", build.at.folder, "--name", name)
        assert again.returncode == 1 and "--replace" in again.stderr
        swapped = localtune(url, "quantize", build.at.folder, "--to", "Q4_K_M", "--install")
        assert swapped.returncode == 0, swapped.stderr
        assert localtune(url, "uninstall", build.at.folder).returncode == 0
        with Ollama(url) as ollama:
            assert name not in ollama.models()
    finally:
        localtune(url, "uninstall", name)


def test_what_it_refuses_is_known(url: str, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"not a model at all")
    with Ollama(url) as ollama:
        with pytest.raises(ServerError, match="isn't the file that was sent"):
            ollama.upload(tmp_path / "x.gguf", "sha256:" + "0" * 64)
        with pytest.raises(ServerError, match="not found"):
            ollama.delete("localtune-test-nosuch:x")
        with pytest.raises(ServerError, match="neither 'from' or 'files'"):
            ollama.create({"model": "localtune-test-nosuch:x"})
