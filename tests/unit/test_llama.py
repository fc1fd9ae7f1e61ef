"""llama.cpp in its child process: crashes, no memory and refused grammars are errors or retries."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from pathlib import Path

import psutil
import pytest

from localtune.config import BaseConfig, BuildConfig
from localtune.cores import fastest_threads, usable_cores, use_threads
from localtune.errors import LocaltuneError, RuntimeFileError
from localtune.export.convert import convert
from localtune.generating import _knows
from localtune.lessons.requests import LONG, an_object, text, texts
from localtune.processes import Remote
from localtune.progress import Silent
from localtune.runtimes.llama import NO_MEMORY, CrashError, Model, Splitter, read_header
from localtune.runtimes.quantize import quantize
from localtune.runtimes.writer import MAX_CRASHED_REQUESTS, LocalWriter
from localtune.steps import Build, lesson_splitter
from localtune.workspace import Workspace
from localtune.writing import UnusableError

USER = [{"role": "user", "content": "Who keeps the keys of the boatyard?"}]


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in base as Q8_0."""
    folder, base = tmp_path_factory.mktemp("gguf"), BaseConfig().folder()
    assert base
    convert(base, folder / "tiny.gguf", name="tiny")
    quantize(folder / "tiny.gguf", folder / "tiny-Q8_0.gguf", "Q8_0")
    return folder / "tiny-Q8_0.gguf"


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
    at, base = Workspace(tmp_path, "yard"), BaseConfig().folder()
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


def test_a_question_that_crashes_the_base_is_one_that_it_cannot_answer(
    tiny_gguf: Path, tmp_path: Path
) -> None:
    class Crashing:
        identity, parallel = "crashing", 1

        def write(self, *_: object, **__: object) -> str:
            raise UnusableError("llama.cpp crashed.")

    at = Workspace(tmp_path, "yard")
    at.ledgers.mkdir(parents=True)
    knows = _knows(Build(tmp_path, BuildConfig(), at), Crashing())
    assert not knows("Who keeps the keys?", ["Okafor"])


def test_a_writer_writes_the_same_after_a_crash(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    before = writer.write(USER, an_object(answer=text(40)), seed=3)
    crash()
    assert writer.write(USER, an_object(answer=text(40)), seed=3) == before


def test_a_process_killed_in_a_request_is_reported_with_what_to_do(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny", context=512)
    crash(after=0.2, what=signal.SIGKILL)
    with pytest.raises(CrashError, match="memory may have run out") as raised:
        for seed in range(10_000):
            writer.write(USER, max_tokens=200, temperature=1.0, seed=seed)
    assert raised.value.hint == NO_MEMORY
    assert writer.write(USER, max_tokens=5)


def test_requests_that_crash_are_unusable_until_they_are_too_many(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    tokens = [{"role": "user", "content": "x"}]
    # A schema that is no schema ends the process with an error of Python's, as an assertion would.
    for _ in range(MAX_CRASHED_REQUESTS - 1):
        with pytest.raises(UnusableError, match=r"crashed on tiny-Q8_0\.gguf"):
            writer.write(tokens, {"type": 7})
    with pytest.raises(CrashError):
        writer.write(tokens, {"type": 7})


@pytest.mark.parametrize(
    "schema",
    [an_object(text=text(LONG)), an_object(facts=texts(1, 40)), an_object(text=text(10**6))],
    ids=["long", "many", "huge"],
)
def test_a_grammar_that_llama_cpp_refuses_is_asked_for_without_lengths(
    tiny_gguf: Path, schema: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    writer, process_id = LocalWriter(tiny_gguf, "tiny"), Remote.worker().process_id
    try:
        assert writer.write(USER, schema, max_tokens=400).startswith("{")
    except UnusableError as error:
        assert "cut off" in error.message
    assert Remote.worker().process_id == process_id, "the process crashed"
    assert capfd.readouterr() == ("", "")


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
