"""llama/bf16_copy.py: when a copy in BF16 is made, and that it goes away."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localtune.llama import bf16_copy
from localtune.llama.bf16_copy import fastest_to_write
from localtune.llama.llama import Splitter, read_header
from localtune.progress import Silent

Memory = namedtuple("Memory", "available")


@pytest.fixture
def worth_it(monkeypatch: pytest.MonkeyPatch, tiny_gguf: Path) -> Iterator[None]:
    """Let the small base count as large, on a processor with BF16."""
    monkeypatch.setattr(bf16_copy, "MIN_PARAMETERS", 1)
    call = Splitter.call
    monkeypatch.setattr(
        Splitter, "call", lambda self, name: name == "multiplies_bf16" or call(self, name)
    )
    yield


def test_a_copy_is_made_and_removed(worth_it: None, tiny_gguf: Path, tmp_path: Path) -> None:
    with fastest_to_write(tiny_gguf, tmp_path, Silent()) as copy:
        assert copy.parent == tmp_path and copy.name.endswith(".partial")
        assert read_header(copy).parameters == read_header(tiny_gguf).parameters
        assert read_header(copy).metadata["file_type"] == "32"
        with fastest_to_write(copy, tmp_path, Silent()) as same:
            assert same == copy, "it is in 16 bits already"
    assert not list(tmp_path.iterdir())


def test_a_small_model_is_not_copied(tiny_gguf: Path, tmp_path: Path) -> None:
    with fastest_to_write(tiny_gguf, tmp_path, Silent()) as copy:
        assert copy == tiny_gguf


def test_without_memory_for_it_no_copy_is_made(
    worth_it: None, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 2 * read_header(tiny_gguf).parameters
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(size))
    with fastest_to_write(tiny_gguf, tmp_path, Silent()) as copy:
        assert copy == tiny_gguf
