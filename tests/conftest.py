"""What tests of all folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built-in base as Q8_0."""
    from localtune.config import BaseConfig
    from localtune.export.convert import convert
    from localtune.runtimes.quantize import quantize

    folder, base = tmp_path_factory.mktemp("gguf"), BaseConfig().folder()
    assert base
    convert(base, folder / "tiny.gguf", name="tiny")
    quantize(folder / "tiny.gguf", folder / "tiny-Q8_0.gguf", "Q8_0")
    return folder / "tiny-Q8_0.gguf"


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
