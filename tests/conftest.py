"""What tests of all folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built-in base as Q8_0."""
    from localtune.config.stages import BaseConfig
    from localtune.export.convert import convert
    from localtune.llama.quantize import quantize

    folder, base = tmp_path_factory.mktemp("gguf"), BaseConfig("tiny").folder()
    assert base
    convert(base, folder / "tiny.gguf", name="tiny")
    quantize(folder / "tiny.gguf", folder / "tiny-Q8_0.gguf", "Q8_0")
    return folder / "tiny-Q8_0.gguf"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGHUP end the processes that a test starts, also where the run ignores them.

    nohup, a script's background job and some CI runners start programs with them ignored, and every
    child inherits that. It does not inherit a handler, so the test run goes on ignoring them.
    """
    ignored = [
        number
        for number in (signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) == signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
