"""A build with --hours: it trains what there is time for, and a second run trains nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from boatyard_build import OFFICE, run

OPTIONS = ["--base", "tiny", "--questions", "4", "--quantize", "Q8_0", "--lessons", "structure"]
OPTIONS += ["--threads", "1", "--hours", "0.01"]


@pytest.mark.slow
def test_training_is_cut_to_the_hours_and_stays_so(tmp_path: Path) -> None:
    docs, out = tmp_path / "docs", tmp_path / "out"
    docs.mkdir()
    (docs / "office.md").write_text(OFFICE)
    done = run("build", docs, "--out", out, *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert "--hours 0.01: training is cut to " in done.stderr and " of 500 steps" in done.stderr
    cuts = json.loads((out / "work" / "budget.json").read_text())
    assert 1 <= cuts["steps"] < 500 and cuts["layers"] <= 6
    plan = json.loads((out / "work" / "plan.json").read_text())
    assert plan["training"]["steps"] == cuts["steps"]
    assert f"on {cuts['layers']} of 6 layers" in done.stderr
    again = run("build", docs, "--out", out, *OPTIONS, "--json")
    assert json.loads(again.stdout)["ran"] == []
