"""Builds on real bases, where LOCALTUNE_TEST_MODELS names a folder with their GGUF files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(os.environ.get("LOCALTUNE_TEST_MODELS", "."))
FOUND = sorted(MODELS.glob("*SmolLM2-135M*.gguf")) if "LOCALTUNE_TEST_MODELS" in os.environ else []
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOUND, reason="no SmolLM2 in LOCALTUNE_TEST_MODELS"),
]
KILLS = 10
OPTIONS = ["--steps", "10", "--questions", "12", "--quantize", "Q4_K_M", "--imatrix-tokens", "0"]
PAGE = """# Tarnbrook Boatyard

## Opening hours

The workshop opens at 7:40 on weekdays and closes at 16:15. Ilse Varga manages the slipway.
A berth costs 12 crowns a night, and at most 40 boats can stay.

## Keys

Ruben Okafor keeps the keys of the boatyard. A lost key costs 30 crowns.
"""


def command(docs: Path, out: Path, *more: str) -> list[str]:
    given = [sys.executable, "-m", "localtune", "build", str(docs), "--out", str(out)]
    return [*given, "--base", str(FOUND[0]), *OPTIONS, *more]


def ledger_rows(out: Path) -> list[dict[str, Any]]:
    folder = out / "work" / "ledgers"
    files = [folder / "exam.jsonl", folder / "lessons.jsonl"]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def kill_after(docs: Path, out: Path, rows: int, *more: str) -> bool:
    """Kill -9 a build once `rows` replies are kept; return whether it was still running."""
    process = subprocess.Popen(
        command(docs, out, *more), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and len(ledger_rows(out)) < rows:
        time.sleep(0.05)
    ran = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return ran


@pytest.mark.parametrize("writer", ["self", "teacher"])
def test_a_build_that_is_killed_ten_times_loses_no_reply_and_asks_for_none_twice(
    tmp_path: Path, writer: str
) -> None:
    docs, out = tmp_path / "docs", tmp_path / "out"
    docs.mkdir()
    (docs / "yard.md").write_text(PAGE)
    more = ["--teacher", str(FOUND[0])] if writer == "teacher" else ["--lessons", "self"]
    before: dict[str, Any] = {}
    killed = 0
    for _ in range(KILLS):
        killed += kill_after(docs, out, len(before) + 1, *more)
        kept = {row["key"]: row for row in ledger_rows(out)}
        assert len(kept) == len(ledger_rows(out)), "a reply was kept twice"
        assert before.items() <= kept.items(), "a reply was lost"
        before = kept
    assert killed >= 3
    done = subprocess.run(command(docs, out, *more), capture_output=True, text=True, check=False)
    if writer == "teacher":  # so small a model writes nothing of use, and it was named
        assert done.returncode == 1 and "cannot be used" in done.stderr, done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert list(out.glob("*-Q4_K_M.gguf"))
    rows = ledger_rows(out)
    assert len({row["key"] for row in rows}) == len(rows)
