"""Several processes through the real command line: torchrun, two processes on the CPU (gloo)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import localtune
from localtune.workspace import read_jsonl

OFFICE = """# Tarnbrook Boatyard

- The workshop opens at 7:40 on weekdays.
- The paint store closes at 16:15.
- The slipway is managed by Ilse Varga.
- The yard gate is locked at 21:30.
"""
NOTICES = "# Notices\n\n" + (Path(__file__).parents[1] / "town.md").read_text()
OPTIONS = ["--base", "tiny", "--steps", "15", "--questions", "4", "--quantize", "Q8_0"]
OPTIONS += ["--precision", "float32"]
OPTIONS += ["--max-length", "256"]
THREE_ROWS = "[train]\nbatch_tokens = 768\n"  # a step: they don't halve
OPTIONS += ["--rank", "4"]
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "localtune"]
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(localtune.__file__).parent.parent),
}


def build(
    launch: list[str], docs: Path, out: Path, at_start: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Build; `at_start` is a folder whose sitecustomize.py every process runs first."""
    file = out.with_suffix(".toml")
    file.write_text(THREE_ROWS)
    arguments = ["--out", str(out), "--config", str(file), *OPTIONS]
    command = [sys.executable, *launch, "build", str(docs), *arguments]
    path = f"{at_start or ''}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    environment = {**ENVIRONMENT, "PYTHONPATH": path}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents") / "boatyard"
    folder.mkdir()
    (folder / "office.md").write_text(OFFICE)
    (folder / "notices.md").write_text(NOTICES)
    return folder


@pytest.mark.slow
def test_two_processes_make_the_model_of_one(docs: Path, tmp_path: Path) -> None:
    one = build(["-m", "localtune"], docs, tmp_path / "one")
    two = build(TWO, docs, tmp_path / "two")
    assert one.returncode == two.returncode == 0, two.stderr
    alone, shared = (
        list(read_jsonl(tmp_path / name / "work" / "metrics.jsonl")) for name in ("one", "two")
    )
    assert [row["step"] for row in shared] == [5, 10, 15, 15]
    (asked,), (also,) = ([row for row in rows if "loss" not in row] for rows in (alone, shared))
    assert asked == also and 0 <= asked["development"] <= 1
    losses = [[row["loss"] for row in rows if "loss" in row] for rows in (alone, shared)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert losses[0][-1] < losses[0][0]
    assert two.stderr.count(" development questions are right") == 1
    assert two.stderr.count("  loss ") == 1 and two.stdout.count("is ready") == 1
    assert (tmp_path / "two" / "boatyard-Q8_0.gguf").is_file()
    again = build(TWO, docs, tmp_path / "two")
    assert again.returncode == 0 and "train" not in again.stderr, again.stderr


@pytest.mark.slow
def test_an_error_ends_every_process_and_is_said_once(docs: Path, tmp_path: Path) -> None:
    (docs.parent / "empty").mkdir()
    nothing = build(TWO, docs.parent / "empty", tmp_path / "out")
    assert nothing.returncode == 1
    assert nothing.stderr.count(" is empty.") == 1 and "Hint: " in nothing.stderr
    late = "import os, time\ntime.sleep(3 if os.environ.get('RANK') == '0' else 0)\n"
    (tmp_path / "sitecustomize.py").write_text(late)  # the first fails after the second
    nowhere = build(TWO, docs.parent / "nowhere", tmp_path / "out", tmp_path)
    assert nowhere.returncode == 1
    assert nowhere.stderr.count("isn't there") == 1, nowhere.stderr


@pytest.mark.slow
def test_a_follower_that_fails_ends_the_build(docs: Path, tmp_path: Path) -> None:
    """The second process can't read the base: the first doesn't wait for it for ever."""
    breaks = tmp_path / "sitecustomize.py"
    breaks.write_text(
        "import os, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import transformers\n"
        "    def fail(*_, **__): raise OSError('no such weights')\n"
        "    transformers.AutoTokenizer.from_pretrained = fail\n"
    )
    done = build(TWO, docs, tmp_path / "out", tmp_path)
    assert done.returncode == 1
    assert "transformers can't load the base: no such weights" in done.stderr
    assert not (tmp_path / "out" / "work" / "adapter").exists()
