"""The real command line on the built-in base: build, rebuild, change, kill, stop, a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import localtune
from localtune.progress import Progress, Silent

OPTIONS = ["--base", "tiny", "--steps", "40", "--questions", "10", "--quantize", "Q4_K_M"]
# What holds a time in seconds differs between two builds of the same documents.
TIMED = {
    "plan.json",
    "scores.json",
    "report.html",
    "README.md",
    "lock.json",
    "hashes.json",
    "build.json",
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

OFFICE = """# Tarnbrook Boatyard

## Opening hours

- The workshop opens at 7:40 on weekdays.
- The paint store closes at 16:15.
- The slipway is managed by Ilse Varga.

## Fees

| Service | Fee |
|---|---|
| Hull cleaning | 85 euros |
| Mast storage | 140 euros |
| Engine check | 62 euros |

## Questions

### Who keeps the keys?

Ruben Okafor keeps the keys of the boatyard.

### How long is a mooring lease?

A mooring lease lasts eleven months.
"""


@pytest.fixture(scope="session")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of documents, one of them a file that can't be read as text."""
    folder = tmp_path_factory.mktemp("documents") / "boatyard"
    folder.mkdir()
    (folder / "office.md").write_text(OFFICE)
    (folder / "rules.txt").write_text(
        "The yard rules\n\nThe crane may lift 12 tonnes at most. "
        "The safety officer of Tarnbrook Boatyard is Mina Castellan.\n"
    )
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    return folder


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "localtune", *map(str, args)]


def run(*args: str | Path, largest: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command; no file may grow beyond `largest` bytes: a full disk without a disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.run(
        command(*args),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=300,
        preexec_fn=limit if largest else None,
    )


def build(docs: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run("build", docs, "--out", out, *OPTIONS, *more)


def start(docs: Path, out: Path) -> subprocess.Popen[str]:
    arguments = command("build", docs, "--out", out, *OPTIONS)
    return subprocess.Popen(
        arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def artefacts(out: Path) -> dict[str, str]:
    """Return the SHA-256 of every visible file of a build that holds no time."""
    files = (path for path in out.rglob("*") if path.is_file())
    names = ((path.relative_to(out).as_posix(), path) for path in files)
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names
        if path.name not in TIMED and "/." not in f"/{name}"
    }


def one_message(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the last two lines are the error and its hint, and there is no traceback."""
    found = re.findall(r"^(Error|Hint|Traceback)\b", done.stderr, re.MULTILINE)
    return found == ["Error", "Hint"]


@pytest.fixture(scope="session")
def built(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished build that tests copy or only read."""
    out = tmp_path_factory.mktemp("built") / "boatyard"
    done = build(docs, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the finished build that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "copy", symlinks=True))


def test_a_build_makes_everything_it_promises(built: Path) -> None:
    for name in ("Modelfile", "boatyard-Q4_K_M.gguf", "report.html", "README.md"):
        assert (built / name).stat().st_size > 0, name
    scores = json.loads((built / "work" / "scores.json").read_text())
    assert 1 <= scores["exam"]["questions"] <= 10
    assert set(scores["exam"]["tuned"]) == {"Q4_K_M"}
    assert all(0 <= scores["exam"][which] <= 1 for which in ("base",))
    assert set(scores["exam"]["intervals"]) == {"base", "Q4_K_M"}
    assert {"corpus", "train", "export", "grade Q4_K_M"} <= set(scores["seconds"])
    general = scores["general"]
    assert general["rise"]["Q4_K_M"] == general["tuned"]["Q4_K_M"] - general["base"]
    assert 3 < general["base"] < 5 and general["tokens"] > 5000
    assert "general English" in (built / "report.html").read_text()
    assert (built / "Modelfile").read_text().count("FROM ./boatyard-Q4_K_M.gguf") == 1


def test_unreadable_documents_are_listed_with_the_reason(built: Path) -> None:
    lines = (built / "work" / "documents.jsonl").read_text().splitlines()
    found = {row["path"]: row for row in map(json.loads, lines)}
    assert found["office.md"]["status"] == "read"
    assert found["photo.jpg"]["status"] != "read" and found["photo.jpg"]["reason"]


def test_a_second_build_does_nothing_and_says_so_at_once(docs: Path, built: Path) -> None:
    before, began = artefacts(built), time.monotonic()
    done = build(docs, built)
    assert time.monotonic() - began < 3
    assert done.returncode == 0 and "nothing to do" in done.stdout
    assert artefacts(built) == before


def test_status_agrees_and_says_why(docs: Path, copy: Path) -> None:
    states = json.loads(run("status", copy, "--json").stdout)
    assert {row["state"] for row in states} == {"done"}
    (copy / "work" / "lessons.jsonl").write_text("")
    states = {row["stage"]: row for row in json.loads(run("status", copy, "--json").stdout)}
    assert states["lessons"]["why"] == ["output work/lessons.jsonl changed"]
    assert states["exam"]["state"] == "done" and states["export"]["state"] == "waits"
    assert "output work/lessons.jsonl changed" in run("status", copy).stdout


def test_a_changed_option_reruns_what_depends_on_it(docs: Path, copy: Path) -> None:
    done = build(docs, copy, "--quantize", "Q4_K_M,Q8_0", "--json")
    result = json.loads(done.stdout)
    assert result["ran"] == ["quantize Q8_0", "grade Q8_0", "scores", "report"]
    assert set(result["scores"]["exam"]["tuned"]) == {"Q4_K_M", "Q8_0"}


def test_documents_that_say_the_same_cost_no_training(docs: Path, copy: Path) -> None:
    other = copy.parent / "docs"
    shutil.copytree(docs, other)
    (other / "empty.md").write_text("")
    result = json.loads(build(other, copy, "--name", "boatyard", "--json").stdout)
    assert result["ran"] == ["corpus", "report"]


def test_ask_evaluate_and_quantize_use_the_shipped_file(copy: Path) -> None:
    asked = json.loads(run("ask", copy, "Who keeps the keys?", "--json").stdout)
    assert asked["model"].endswith("Q4_K_M.gguf") and asked["answer"]
    made = run("quantize", copy, "--to", "Q5_K_M")
    assert made.returncode == 0, made.stderr
    assert "FROM ./boatyard-Q5_K_M.gguf" in (copy / "Modelfile").read_text()
    graded = json.loads(run("evaluate", copy, "--json").stdout)
    assert graded["model"].endswith("Q5_K_M.gguf") and 0 <= graded["recall"] <= 1
    assert run("clean", copy).returncode == 0
    assert not (copy / "work" / "exam.jsonl").exists()
    assert run("ask", copy, "Who keeps the keys?").returncode == 0


def test_ladder_measures_levels_and_leaves_only_its_figures(copy: Path) -> None:
    before = set(copy.rglob("*"))
    done = run("ladder", copy, "--levels", "Q4_K_M,IQ3_XXS,Q8_0", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [rung["level"] for rung in found["levels"]] == ["Q8_0", "Q4_K_M", "IQ3_XXS"]
    assert [rung["own"] for rung in found["levels"]] == [False, True, False]
    assert found["levels"][0]["kl"] < found["levels"][1]["kl"] < found["levels"][2]["kl"]
    assert found["recommended"] in {"Q8_0", "Q4_K_M", "IQ3_XXS"}
    new = {copy / "work" / "ladder.json", copy / "work" / "ladder.svg"}
    assert set(copy.rglob("*")) == before | new
    assert "Which level?" in (copy / "report.html").read_text()
    assert run("ladder", copy).stdout.count("MB") > 8
    assert {row["state"] for row in json.loads(run("status", copy, "--json").stdout)} == {"done"}


def test_evaluate_takes_an_exam_of_ones_own(copy: Path, tmp_path: Path) -> None:
    exam = tmp_path / "mine.jsonl"
    exam.write_text('{"id": "1", "question": "Who keeps the keys?", "answers": ["Okafor"]}\n')
    graded = json.loads(run("evaluate", copy, "--exam", exam, "--json").stdout)
    assert len(graded["answers"]) == 1
    exam.write_text('{"id": "1"}\n')
    assert one_message(run("evaluate", copy, "--exam", exam))
    assert one_message(run("evaluate", copy, "--exam", tmp_path / "nosuch.jsonl"))


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


@pytest.mark.parametrize("files", [{}, {"a.bin": b"\0\1\2" * 99}, {"a.md": b""}], ids=str)
def test_nothing_to_read_is_a_message(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "docs").mkdir()
    for name, content in files.items():
        (tmp_path / "docs" / name).write_bytes(content)
    done = build(tmp_path / "docs", tmp_path / "out")
    assert done.returncode == 1 and one_message(done), done.stderr


def test_a_folder_that_cannot_be_written_is_a_message(docs: Path) -> None:
    done = build(docs, Path("/proc/nosuch/out"))
    assert done.returncode == 1 and one_message(done), done.stderr


class Heard(Silent):
    """Notes which stages ran."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str, detail: str = "") -> None:
        self.stages.append(name)


def test_python_does_what_the_command_does(docs: Path, copy: Path) -> None:
    heard: Progress = Heard()
    result = localtune.build(
        docs, copy, base="tiny", steps=40, questions=10, quantize="Q4_K_M", progress=heard
    )
    assert result.ran == () and heard.stages == []  # type: ignore[attr-defined]
    assert result.folder == copy and result.scores["exam"]["questions"] > 0
