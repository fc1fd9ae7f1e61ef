"""`localtune plan` through the real command line; what a build keeps of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localtune.build.estimate_stage import keep_estimate
from localtune.build.job import Build
from localtune.cli.plan_view import show_plan
from localtune.config.stages import BaseConfig, BuildConfig, QuantizeConfig, TrainConfig
from localtune.progress import Silent
from localtune.workspace import Workspace, read_json, write_jsonl

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localtune", "plan", *map(str, args)],
        capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plan of a part of the example on the built-in base."""
    folder = tmp_path_factory.mktemp("plan")
    docs, out = folder / "docs", folder / "out"
    docs.mkdir()
    for name in ("faq.md", "freight.md", "hours-and-leave.md"):
        shutil.copy(ROOT / "examples" / "handbook" / name, docs)
    options = ["--base", "tiny", "--steps", "50", "--price", "0.3", "--hosted-price", "3"]
    said = run(docs, "--out", out, *options, "--country", "FRA", "--json")
    assert said.returncode == 0, said.stderr
    assert not out.exists(), "a plan builds nothing"
    return dict(json.loads(said.stdout))


@pytest.mark.slow
def test_the_plan_of_the_example_says_everything(handbook: dict[str, Any]) -> None:
    plan = handbook
    assert plan["documents"]["read"] == 3 and plan["documents"]["languages"] == {"en": 3}
    assert plan["advice"]["use"] == "tuning" and plan["advice"]["facts"] > 100
    assert plan["base"]["id"] == "tiny" and plan["base"]["parameters"] == 5_770_496
    assert plan["training"]["steps"] == 50 and plan["training"]["layers_tried"] == [6]
    assert len(plan["candidates"]) >= 15
    assert all(row["memory"] > 0 and row["train_seconds"] > 0 for row in plan["candidates"])
    named = [row["stage"] for row in plan["stages"]]
    assert named[:4] == ["corpus", "exam", "lessons", "train"]
    assert {"export", "verify", "imatrix", "quantize Q4_K_M", "grade Q8_0"} < set(named)
    assert all(row["seconds"] > 0 and 0 < row["band"] <= 1 for row in plan["stages"])
    assert sum(row["seconds"] for row in plan["stages"]) == pytest.approx(
        plan["total"]["seconds"], abs=0.2
    )
    assert 3e8 < plan["memory"]["bytes"] < 3e9
    assert plan["disk"]["master"] > 11e6 and plan["disk"]["download"] == 0
    low, high = plan["energy"]["kwh_between"]
    assert low < plan["energy"]["kwh"] < high and plan["energy"]["country"] == "France"
    assert plan["energy"]["cost"] == pytest.approx(0.3 * plan["energy"]["kwh"], abs=1e-4)
    assert plan["hosted"]["cost"] == pytest.approx(plan["hosted"]["tokens"] * 3e-6, abs=0.01)


@pytest.mark.slow
def test_a_person_is_shown_the_plan(
    handbook: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(handbook)
    shown = capsys.readouterr().out
    for part in (
        "3 documents read",
        "Fine-tuning suits this folder",
        "Qwen3-0.6B",
        "recommended",
        "quantize Q4_K_M",
        "assumed, not measured",
        "localtune build",
        "--base tiny",
    ):
        assert part in shown, part


@pytest.mark.slow
def test_a_folder_with_too_little_is_told_so(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "note.md").write_text("Remember the milk\n")
    said = run(docs, "--out", tmp_path / "out")
    assert said.returncode == 0, said.stderr
    assert "Use retrieval" in said.stdout and "too little to learn" in said.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere"], "isn't there"),
        ([".", "--hours", "-1"], "--hours"),
        ([".", "--country", "Atlantis"], "--country"),
        ([".", "--base", "some/model", "--offline"], "not in the local cache"),
    ],
)
def test_what_can_not_be_planned_is_said_with_what_to_do(
    tmp_path: Path, options: list[str], message: str
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n\nThe hall opens at eight.\n")
    given = [str(docs) if option == "." else option for option in options]
    said = run(*given, "--out", tmp_path / "out")
    assert said.returncode == 1 and message in said.stderr and "Hint:" in said.stderr


def test_a_build_keeps_what_it_expects(tmp_path: Path) -> None:
    config = BuildConfig(
        train=TrainConfig(steps=200, batch_tokens=256, rank=4, threads=1),
        quantize=QuantizeConfig(levels=("Q8_0",)),
    )
    build = Build(tmp_path / "docs", config, Workspace(tmp_path / "out", "yard"))
    at, base = build.at, BaseConfig("tiny").folder()
    assert base
    at.work.mkdir(parents=True)
    at.base.symlink_to(base)
    asked = {"role": "user", "content": "When does the hall of the yard open?"}
    said = {"role": "assistant", "content": "The hall of the yard opens at eight."}
    write_jsonl(at.lessons, [{"messages": [asked, said]} for _ in range(100)])
    write_jsonl(at.exam, [{"id": "1", "question": "When?", "answers": ["eight"]}])
    keep_estimate(build, Silent())
    plan = read_json(at.plan)
    (train,) = plan["stages"]
    assert train["stage"] == "train" and train["seconds"] > 200 * plan["training"]["step_seconds"]
    assert plan["memory"]["bytes"] > 2e8 and plan["disk"]["Q8_0"] > 6e6
    few = Build(build.docs, BuildConfig(train=TrainConfig(steps=20)), at)
    keep_estimate(few, Silent())
    assert read_json(at.plan) == {}
