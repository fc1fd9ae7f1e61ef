"""llama.cpp in its child process: crashes and a lack of memory are errors or retries."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from pathlib import Path

import psutil
import pytest

from localtune.build.job import Build
from localtune.build.steps import lesson_splitter
from localtune.build.writing_stages import _known
from localtune.config.stages import BaseConfig, BuildConfig
from localtune.errors import LocaltuneError, RuntimeFileError
from localtune.llama.llama import NO_MEMORY, CrashError, Model, Splitter, read_header
from localtune.llama.writer import MAX_CRASHED_REQUESTS, LocalWriter
from localtune.llama.writing import Completion, UnusableError
from localtune.machine.cores import fastest_threads, usable_cores, use_threads
from localtune.machine.processes import Remote
from localtune.progress import Silent
from localtune.prompts import Message
from localtune.workspace import Workspace

USER = [{"role": "user", "content": "Who keeps the keys of the boatyard?"}]
CRASHING_SEED = -1  # NumPy refuses it, which ends the child process as a failed assertion does


def crash(after: float = 0.0, what: signal.Signals = signal.SIGSEGV) -> None:
    """Let the child process of llama.cpp end by a signal, now or in the middle of a request."""
    process_id = Remote.worker().process_id
    if after:
        threading.Timer(after, os.kill, (process_id, what)).start()
    else:
        os.kill(process_id, what)


def test_a_model_answers_the_same_after_a_crash(tiny_gguf: Path) -> None:
    model = Model(tiny_gguf)
    before, logits = model.ask(USER), model.logits([1, 2, 3])
    crash()
    assert model.ask(USER) == before
    crash()
    assert (model.logits([1, 2, 3]) == logits).all()


def test_a_splitter_and_a_header_survive_a_crash(tiny_gguf: Path) -> None:
    splitter, header = Splitter(tiny_gguf), read_header(tiny_gguf)
    before = splitter.token_ids("Who keeps the keys?")
    crash()
    assert splitter.token_ids("Who keeps the keys?") == before
    crash()
    assert read_header(tiny_gguf) == header


def test_lessons_are_split_the_same_after_a_crash(tmp_path: Path) -> None:
    at, base = Workspace(tmp_path, "yard"), BaseConfig("tiny").folder()
    assert base
    at.work.mkdir(parents=True)
    shutil.copytree(base, at.base)
    split = lesson_splitter(at, Silent())
    assert split
    before = split("Who keeps the keys?")
    crash()
    assert split("Who keeps the keys?") == before


def test_the_threads_of_an_earlier_build_are_not_kept() -> None:
    Remote.worker().close()
    with use_threads(1):
        worker = Remote.worker()
    assert worker.call(fastest_threads, 10**9) == usable_cores()


def test_a_question_that_crashes_the_base_is_one_that_it_cannot_answer(tmp_path: Path) -> None:
    class Crashing:
        identity, parallel = "crashing", 1

        def write(self, messages: list[Message], **_: object) -> Completion:
            if "keys" in messages[-1]["content"]:
                raise UnusableError("llama.cpp crashed.")
            return Completion("It opens at 7:40.", True)

    at = Workspace(tmp_path, "yard")
    at.ledgers.mkdir(parents=True)
    rows = [
        {"id": "1", "question": "Who keeps the keys?", "answers": ["Okafor"]},
        {"id": "2", "question": "When does it open?", "answers": ["7:40"]},
    ]
    assert _known(Build(tmp_path, BuildConfig(), at), Crashing(), rows, Silent()) == {"2"}


def test_a_writer_writes_the_same_after_a_crash(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    before = writer.write(USER, max_tokens=40, temperature=0.8, seed=3)
    crash()
    assert writer.write(USER, max_tokens=40, temperature=0.8, seed=3) == before


def test_a_process_killed_in_a_request_is_reported_with_what_to_do(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny", context=512)
    crash(after=0.2, what=signal.SIGKILL)
    with pytest.raises(CrashError, match="memory may have run out") as raised:
        for seed in range(10_000):
            writer.write(USER, max_tokens=200, temperature=1.0, seed=seed)
    assert raised.value.hint == NO_MEMORY
    assert LocalWriter(tiny_gguf, "tiny").write(USER, max_tokens=5)


def test_requests_that_crash_are_unusable_until_they_are_too_many(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    for _ in range(MAX_CRASHED_REQUESTS - 1):
        with pytest.raises(UnusableError, match=r"crashed on tiny-Q8_0\.gguf"):
            writer.write(USER, seed=CRASHING_SEED)
    assert writer.write(USER, max_tokens=5).text
    for _ in range(MAX_CRASHED_REQUESTS - 1):
        with pytest.raises(UnusableError):
            writer.write(USER, seed=CRASHING_SEED)
    with pytest.raises(CrashError):
        writer.write(USER, seed=CRASHING_SEED)


def test_memory_that_runs_out_is_not_called_a_damaged_file(tiny_gguf: Path) -> None:
    Splitter(tiny_gguf)
    worker = Remote.worker()
    limit = psutil.Process(worker.process_id).memory_info().vms
    worker.call(resource.setrlimit, resource.RLIMIT_AS, (limit, limit))
    try:
        with pytest.raises(RuntimeFileError, match=r"[Mm]emory") as raised:
            Model(tiny_gguf, context=100_000)
        assert raised.value.hint == NO_MEMORY and "damaged" not in raised.value.message
    finally:
        worker.close()


def test_a_relative_path_is_that_of_this_process(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Remote.worker()
    monkeypatch.chdir(tiny_gguf.parent)
    assert read_header(Path(tiny_gguf.name)).context > 0


def test_an_error_of_the_file_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(LocaltuneError) as raised:
        Model(tmp_path / "m.gguf")
    assert not isinstance(raised.value, CrashError)
