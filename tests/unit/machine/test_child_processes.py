"""A child process that calls functions for us: its crash is an error, and nothing outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from localtune.errors import ConfigError
from localtune.llama.level_names import check_levels
from localtune.llama.quantize_dry_run import LevelSettings
from localtune.machine.processes import ProcessEndedError, Remote, Worker, describe_exit

COUNTER = "collections:Counter"


def crash_the_child() -> None:
    os.kill(Remote.worker().process_id, signal.SIGSEGV)


def test_a_function_runs_in_another_process_and_what_it_prints_stays_there(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Worker() as worker:
        assert worker.call(os.getpid) == worker.process_id != os.getpid()
        assert worker.call(os.write, 1, b"printed by a C library") == 22
    assert capfd.readouterr() == ("", "")


def test_an_error_is_raised_here_and_the_child_lives_on() -> None:
    with Worker() as worker:
        with pytest.raises(ConfigError, match="Q9_X") as raised:
            worker.call(check_levels, ("Q9_X",), "--to")
        assert raised.value.hint
        assert worker.is_alive


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (os.abort, (), "Aborted"),
        (os._exit, (3,), "exit status 3"),
        (int, ("seven",), "ValueError: invalid literal"),
    ],
)
def test_the_end_of_the_child_is_an_error_that_names_the_reason(
    function: object, arguments: tuple[object, ...], reason: str
) -> None:
    with Worker() as worker, pytest.raises(ProcessEndedError, match=reason):
        worker.call(function, *arguments)  # type: ignore[arg-type]


def test_an_object_is_made_again_after_a_crash() -> None:
    remote = Remote(COUNTER, "aab")
    first = Remote.worker().process_id
    crash_the_child()
    assert remote.call("most_common", 1) == [("a", 2)]
    assert Remote.worker().process_id != first


def test_objects_share_one_process_which_is_kept_between_requests() -> None:
    one, other = Remote(COUNTER, "a"), Remote(COUNTER, "b")
    before = Remote.worker().process_id
    assert [one.call("total"), other.call("total"), one.call("total")] == [1, 1, 1]
    assert Remote.worker().process_id == before


def test_what_crashes_each_time_is_tried_twice() -> None:
    with pytest.raises(ProcessEndedError, match="Aborted") as raised:
        Remote("os:abort")
    assert not raised.value.killed
    assert Remote(COUNTER, "a").call("total") == 1


def test_what_was_killed_is_not_repeated() -> None:
    remote = Remote("threading:Event")
    worker = Remote.worker()
    threading.Timer(0.3, os.kill, (worker.process_id, signal.SIGKILL)).start()
    with pytest.raises(ProcessEndedError) as raised:
        remote.call("wait", 60)
    assert raised.value.killed


def test_an_object_is_freed_in_the_child_when_it_is_freed_here(tmp_path: Path) -> None:
    kept, remote = (
        Remote("tempfile:TemporaryDirectory", None, name, tmp_path) for name in ("kept", "freed")
    )
    assert len(list(tmp_path.iterdir())) == 2
    del remote
    kept.call("__enter__")  # the request before it has been carried out
    assert [folder.name[:4] for folder in tmp_path.iterdir()] == ["kept"]


def test_an_interrupted_wait_leaves_no_reply_for_the_next_request() -> None:
    remote = Remote(COUNTER, "aab")
    worker = Remote.worker()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    usual = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.call(time.sleep, 60)
    finally:
        signal.signal(signal.SIGUSR1, usual)
    assert not worker.is_alive
    assert remote.call("total") == 3


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_ends_with_its_parent_also_while_it_works(end: signal.Signals) -> None:
    code = (
        "import sys, time; from localtune.machine.processes import Worker; w = Worker();"
        "print(w.process_id, flush=True); w.call(time.sleep, 600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(end)
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:  # an init may not reap it
        time.sleep(0.05)


def test_many_threads_may_use_one_object() -> None:
    remote, results = Remote(COUNTER, "aab"), Counter[int]()

    def ask() -> None:
        for _ in range(50):
            results[remote.call("total")] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {3: 200}


def test_a_dataclass_goes_there_and_back() -> None:
    with Worker() as worker:
        assert worker.call(LevelSettings, "Q4_K_M", None) == LevelSettings("Q4_K_M", None)


def test_signals_are_named_in_words() -> None:
    assert describe_exit(-signal.SIGSEGV) == "Segmentation fault"
    assert describe_exit(1, "no memory") == "exit status 1: no memory"
