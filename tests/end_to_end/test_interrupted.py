"""A build is killed, stopped, locked out or out of room: one message, and nothing is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from boatyard_build import OPTIONS, artefacts, build, one_message, run, start

pytest_plugins = ["boatyard_documents"]


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it never came to that point"
        time.sleep(0.01)


MOMENTS = ["work/passages.jsonl", "work/base", "work/targets/*.safetensors",
           "work/checkpoints/checkpoint-20", "work/adapter", "work/.boatyard-BF16.gguf.*",
           "work/faithful.json", "work/imatrix.gguf", ".boatyard-Q4_K_M.gguf.*",
           "work/grades/base.json", "work/scores.json"]  # fmt: skip


def test_kill_at_any_moment_then_build_ends_with_the_same_files(
    docs: Path, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    for moment in MOMENTS:
        process = start(docs, out)
        name, folder = Path(moment).name, (out / moment).parent
        ended = lambda: any(folder.glob(name)) or process.poll() is not None  # noqa: B023, E731
        while not ended():
            time.sleep(0.002)
        process.kill()
        process.communicate()
    done = build(docs, out, "--name", "boatyard")
    assert done.returncode == 0, done.stderr
    assert artefacts(out) == artefacts(built)


def test_training_goes_on_from_its_checkpoint(docs: Path, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(docs, out)
    checkpoint = out / "work" / "checkpoints" / "checkpoint-20" / "trainer_state.json"
    wait_for(checkpoint.exists, process, 120)
    process.kill()
    process.communicate()
    assert build(docs, out).returncode == 0
    assert (out / "work" / "metrics.jsonl").read_text() == (
        built / "work" / "metrics.jsonl"
    ).read_text()
    assert artefacts(out) == artefacts(built)


@pytest.mark.usefixtures("interruptible")
def test_a_folder_in_use_and_ctrl_c(docs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(docs, out)
    wait_for((out / "work" / "exam.jsonl").exists, process, 60)
    second = build(docs, out)
    assert second.returncode == 1 and one_message(second)
    assert f"process {process.pid}" in second.stderr
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in said and said.rstrip().endswith("goes on where it stopped.")
    assert (out / "work" / "exam.jsonl").exists()
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize(
    "missing", ["work/documents.jsonl", "work/adapter", "work/boatyard-BF16.gguf",
                "boatyard-Q4_K_M.gguf"],
)  # fmt: skip
def test_a_full_disk_is_a_message_and_loses_nothing(
    docs: Path, built: Path, copy: Path, missing: str
) -> None:
    path = copy / missing
    small = 1500 if path.suffix == ".jsonl" else 300_000
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = run("build", docs, "--out", copy, *OPTIONS, largest=small)
    assert done.returncode == 1 and one_message(done), done.stderr
    assert "no room" in done.stderr
    assert not list(copy.rglob("*.partial"))
    assert build(docs, copy).returncode == 0
    assert artefacts(copy) == artefacts(built)
