"""llama.cpp ends its process wherever it is asked: a retry, or one message; and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from boatyard_build import OPTIONS, artefacts, build, command, one_message, start

pytest_plugins = ["boatyard_documents"]
WORKER, QUANTIZER = "localtune.machine.processes", "localtune.llama.quantizer"  # they run llama.cpp
QUESTION = "Who keeps the keys of the boatyard?"


def send(process: subprocess.Popen[str], what: signal.Signals, *modules: str) -> int:
    """Send a signal to the child processes that run these modules; return their number."""
    sent = 0
    with suppress(psutil.Error):  # one of them has just ended
        for child in psutil.Process(process.pid).children(recursive=True):
            if any(module in child.cmdline() for module in modules):
                child.send_signal(what)
                sent += 1
    return sent


@contextmanager
def crashing(process: subprocess.Popen[str], what: signal.Signals, *modules: str) -> Iterator[None]:
    """Let every process of llama.cpp crash as soon as it is started."""
    ended = threading.Event()

    def crash() -> None:
        while not ended.is_set():
            send(process, what, *modules)
            time.sleep(0.005)

    thread = threading.Thread(target=crash)
    thread.start()
    yield
    ended.set()
    thread.join()


def run_crashing(
    *arguments: str | Path, what: signal.Signals = signal.SIGSEGV
) -> subprocess.CompletedProcess[str]:
    with (
        subprocess.Popen(
            command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        crashing(process, what, WORKER, QUANTIZER),
    ):
        out, errors = process.communicate(f"{QUESTION}\n", timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "BUILD", QUESTION),
        ("chat", "BUILD"),
        ("evaluate", "BUILD"),
        ("ladder", "BUILD", "--levels", "Q4_K_M"),
        ("quantize", "BUILD", "--to", "Q5_K_M"),
        ("serve", "BUILD"),
        ("modelfile", "BUILD/boatyard-Q4_K_M.gguf"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_crash_is_one_message_in_every_command(
    arguments: tuple[str, ...], built: Path, copy: Path
) -> None:
    before = artefacts(copy)
    done = run_crashing(*(argument.replace("BUILD", str(copy)) for argument in arguments))
    assert done.returncode == 1 and one_message(done), done.stderr
    assert "Segmentation fault" in done.stderr
    assert artefacts(copy) == before


@pytest.mark.slow
def test_a_killed_process_is_told_apart_from_a_crash(copy: Path) -> None:
    done = run_crashing("ask", copy, QUESTION, what=signal.SIGKILL)
    assert done.returncode == 1 and one_message(done), done.stderr
    assert "memory may have run out" in done.stderr


@pytest.mark.slow
def test_a_crash_in_every_stage_of_a_build_changes_nothing(
    docs: Path, built: Path, tmp_path: Path
) -> None:
    process = start(docs, tmp_path / "out")
    assert process.stderr
    lines, crashes = [], 0
    for line in process.stderr:  # a stage is named before it asks llama.cpp
        lines.append(line)
        crashes += send(process, signal.SIGABRT, WORKER)
    assert process.wait(timeout=60) == 0, lines
    assert crashes > 3
    assert build(docs, tmp_path / "out", "--name", "boatyard").returncode == 0
    assert artefacts(tmp_path / "out") == artefacts(built)


@pytest.mark.slow
def test_a_build_that_ends_with_a_crash_resumes(docs: Path, built: Path, copy: Path) -> None:
    (copy / "work" / "faithful.json").unlink()
    done = run_crashing("build", docs, "--out", copy, *OPTIONS, what=signal.SIGABRT)
    assert done.returncode == 1 and one_message(done), done.stderr
    assert "Aborted" in done.stderr
    assert build(docs, copy).returncode == 0
    assert artefacts(copy) == artefacts(built)


@pytest.mark.slow
def test_rules_write_the_exam_where_llama_cpp_crashes(docs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--base", "tiny", "--lessons", "self", "--effort", "quick"]
    options += ["--steps", "2", "--questions", "5"]
    process = subprocess.Popen(
        command("build", docs, "--out", out, *options), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    assert any(line.startswith("writer") for line in process.stderr)
    with crashing(process, signal.SIGSEGV, WORKER):
        warned = any("the exam is made by rule" in line for line in process.stderr)
    rest = process.communicate(timeout=120)[1]
    assert warned and process.returncode == 0, rest
