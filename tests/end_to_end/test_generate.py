"""Lessons by a model through the real command line: a good teacher, a useless one, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import FaultyProxy, between
from rule_teacher import MODEL, RuleTeacher, teaching

from localtune.lessons.similarity import Exam
from localtune.workspace import read_jsonl

pytest_plugins = ["tiny_server"]
pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
OPTIONS = ["--steps", "5", "--questions", "8", "--quantize", "Q4_K_M", "--imatrix-tokens", "0"]
FAULTS = ["", "kill", "", "500", "", "half", "garbage", "", "cut", "503", "list", ""]
FACTS, EXAM = "facts", "direct,paraphrase,reverse,multi_fact"


def page(name: str, hour: int) -> str:
    return (
        f"# The {name} pier\n\nThe gate of the {name} pier opens at {hour}:10 on weekdays.\n"
        f"The {name} pier has {hour + 20} berths for small boats.\n"
        f"The crane of the {name} pier lifts {hour + 3} tonnes at most.\n"
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "piers"
    folder.mkdir()
    for hour, name in enumerate(("amber", "birch", "cedar", "dune", "ember", "fern"), 6):
        (folder / f"{name}.md").write_text(page(name, hour))
    return folder


@pytest.fixture
def rule() -> Iterator[RuleTeacher]:
    with teaching() as running:
        yield running


def command(docs: Path, out: Path, *more: str) -> list[str]:
    arguments = [sys.executable, "-m", "localtune", "build", str(docs), "--out", str(out)]
    return [*arguments, *OPTIONS, *more]


def run(docs: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(docs, out, *more), capture_output=True, text=True, env=ENVIRONMENT, timeout=300
    )


def start(docs: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(docs, out, *more), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def until(process: subprocess.Popen[str], stage: str) -> str:
    """Kill -9 a build when a stage begins; return what it said before."""
    said = ""
    assert process.stderr
    for line in process.stderr:
        if line.split()[:1] == [stage] and not line.startswith(" "):
            break
        said += line
    else:
        raise AssertionError(said)
    kill(process)
    return said


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def kept(out: Path, ledger: str = "lessons") -> list[dict[str, Any]]:
    file = out / "work" / "ledgers" / f"{ledger}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def killed_at(docs: Path, out: Path, proxy: FaultyProxy, lines: int) -> None:
    """Kill -9 a build when so many passages stand in the ledger of the lessons."""
    process = start(docs, out, "--teacher", proxy.url, "--parallel", "2")
    while len(kept(out)) < lines:
        assert process.poll() is None, process.communicate()
    kill(process)


def test_a_build_of_a_teacher_is_killed_changed_and_finished(
    docs: Path, tmp_path: Path, rule: RuleTeacher
) -> None:
    out = tmp_path / "out"
    with between(rule.server_port, FAULTS * 9) as proxy:
        given = ["--teacher", proxy.url, "--parallel", "2", "--system", "You know the piers."]
        killed_at(docs, out, proxy, 2)
        until(start(docs, out, *given), "train")
        begun = rule.passages(FACTS)
        assert len(begun) == len(kept(out)) == len({row["key"] for row in kept(out)}) == 6
        assert len(proxy.done) > len(FAULTS), "faults were met"

        (docs / "cedar.md").write_text(page("cedar", 15))
        before, examined = rule.passages(FACTS), rule.passages(EXAM)
        said = until(start(docs, out, *given), "train")
        assert "input work/passages.jsonl changed" in said
        again = rule.passages(FACTS) - before
        assert set(again) == {name for name in again if "cedar" in name} and len(again) == 1
        more = rule.passages(EXAM) - examined
        assert all("cedar" in name for name in more)
        assert len(kept(out)) == 6 and "8:10" not in json.dumps(kept(out))

        done = run(docs, out, *given, "--json")
        assert done.returncode == 0, done.stderr
        asked = len(proxy.done)
        second = run(docs, out, *given, "--json")
        assert json.loads(second.stdout)["ran"] == [] and len(proxy.done) == asked
    result = json.loads(done.stdout)
    assert 4 <= result["scores"]["exam"]["questions"] <= 8
    modelfile = (out / "Modelfile").read_text()
    assert 'SYSTEM "You know the piers."' in modelfile
    checked(out)


def checked(out: Path) -> None:
    """Look at the lessons and the exam of a finished build."""
    rows, exam = (list(read_jsonl(out / "work" / f"{n}.jsonl")) for n in ("lessons", "exam"))
    near = Exam(row["question"] for row in exam)
    for row in rows:
        asked = [said["content"] for said in row.get("messages", []) if said["role"] == "user"]
        assert not any(near.is_near(question) for question in asked)
        assert not near.is_near(row.get("text", ""))
        assert "messages" not in row or row["messages"][0]["role"] == "system"
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["forward"] > 20 and kinds["text"] and kinds["unknown"], kinds
    passages = {row["id"] for row in read_jsonl(out / "work" / "passages.jsonl")}
    assert {row["passage"] for row in rows if row.get("targets") == "passage"} == passages
    assert {row["kind"] for row in exam} <= {
        "direct", "paraphrase", "reverse", "multi-fact", "unanswerable",
    }  # fmt: skip
    chosen = json.loads((out / "work" / "writer.json").read_text())
    assert chosen["mode"] == "teacher" and chosen["model"] == MODEL and not chosen["follows"]


def test_a_base_that_writes_nonsense_gives_way_to_rules(docs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = until(start(docs, out, "--lessons", "self"), "train")
    assert "0 of 6 small tasks" in said or "too few to expect lessons of use" in said
    assert "So the exam is made by rule." in said and "So lessons are made by rule." in said
    assert "can't be used: 0 of" in said
    assert len(kept(out)) == 6 and len(list(read_jsonl(out / "work" / "lessons.jsonl"))) > 100
    again = until(start(docs, out, "--lessons", "structure"), "train")
    assert "option mode changed (self -> structure)" in again


def test_a_useless_teacher_is_an_error_that_says_how_much_was_kept(
    docs: Path, tmp_path: Path, tiny_server: int
) -> None:
    done = run(docs, tmp_path / "out", "--teacher", f"http://127.0.0.1:{tiny_server}")
    assert done.returncode == 1, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("Error: Of what") and "0 questions can be used" in error
    assert "--lessons structure" in hint and "Traceback" not in done.stderr


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_does_not_wait_for_the_teacher(
    docs: Path, tmp_path: Path, rule: RuleTeacher
) -> None:
    rule.gate.clear()  # it answers nothing from here on
    process = start(docs, tmp_path / "out", "--teacher", rule.url)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("exam"):
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and "Traceback" not in said
