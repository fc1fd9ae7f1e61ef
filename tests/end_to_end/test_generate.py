"""Lessons by a model through the real command line: a good teacher, a useless one, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import between
from rule_teacher import MODEL, RuleTeacher, teaching

from localtune.lessons.kept_back import KeptBack
from localtune.workspace import read_jsonl

pytest_plugins = ["tiny_server"]
pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
OPTIONS = ["--base", "tiny", "--steps", "5", "--questions", "8", "--quantize", "Q4_K_M"]
OPTIONS += ["--imatrix-tokens", "0"]
# None of them loses an answer on its way back, so that the teacher need not write it twice.
FAULTS = ["", "kill", "", "500", "", "garbage", "", "cut", "503", "list", "", "empty", ""]
PARALLEL = 2


def page(name: str, hour: int) -> str:
    """Return a page about a pier; every second one has a crane."""
    crane = f"The crane of the {name} Pier lifts {hour + 3} tonnes at most.\n"
    return (
        f"# The {name} Pier\n\nThe gate of the {name} Pier opens at {hour}:10 on weekdays.\n"
        f"At the {name} Pier there are {hour + 20} berths for small boats.\n"
        f"{crane if hour % 2 else ''}"
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "piers"
    folder.mkdir()
    for hour, name in enumerate(("Amber", "Birch", "Cedar", "Dune", "Ember"), 6):
        (folder / f"{name.lower()}.md").write_text(page(name, hour))
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


def killed_at(docs: Path, out: Path, lines: int, *given: str) -> None:
    """Kill -9 a build when so many texts are in the ledger of the lessons."""
    process = start(docs, out, *given)
    while len(kept(out)) < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    kill(process)


def texts(out: Path) -> int:
    """Return how many texts the ledgers hold; check that none holds one twice."""
    held = [[row["key"] for row in kept(out, name)] for name in ("exam", "lessons")]
    assert all(len(keys) == len(set(keys)) for keys in held)
    return sum(map(len, held))


def test_a_build_of_a_teacher_is_killed_changed_and_finished(
    docs: Path, tmp_path: Path, rule: RuleTeacher
) -> None:
    out = tmp_path / "out"
    with between(rule.server_port, FAULTS * 2) as proxy:
        given = ["--teacher", proxy.url, "--parallel", str(PARALLEL)]
        given += ["--effort", "quick", "--system", "You know the piers."]
        killed_at(docs, out, 4, *given)
        until(start(docs, out, *given), "targets")
        asked = sum(rule.asked.values())
        assert asked - texts(out) <= PARALLEL, "only what was in flight when it was killed"
        assert len(proxy.done) > len(FAULTS), "faults were met"

        (docs / "cedar.md").write_text(page("Cedar", 15))
        proxy.faults = list(FAULTS)
        before = rule.prompts("pairs")
        done = run(docs, out, *given, "--json")
        assert done.returncode == 0, done.stderr
        assert "input work/passages.jsonl changed" in done.stderr
        again = rule.prompts("pairs") - before
        assert again and all("Cedar" in prompt and "8:10" not in prompt for prompt in again)
        assert texts(out) and "8:10" not in json.dumps(kept(out))

        sent = len(proxy.done)
        second = run(docs, out, *given, "--json")
        assert json.loads(second.stdout)["ran"] == [] and len(proxy.done) == sent
    result = json.loads(done.stdout)
    assert 4 <= result["scores"]["exam"]["questions"] <= 8
    modelfile = (out / "Modelfile").read_text()
    assert 'SYSTEM "You know the piers."' in modelfile
    checked(out)
    reported(out)


def checked(out: Path) -> None:
    """Look at the lessons and the exam of a finished build."""
    rows, exam = (list(read_jsonl(out / "work" / f"{n}.jsonl")) for n in ("lessons", "exam"))
    near = KeptBack(exam)
    questions = 0
    for row in rows:
        said = [m["content"] for m in row.get("messages", []) if m["role"] != "system"]
        questions += len(said) // 2
        assert not any(map(near.is_near, said[::2], said[1::2]))
        assert not near.is_near(row.get("text", ""))
        assert "messages" not in row or row["messages"][0]["role"] == "system"
    kinds = Counter(row["kind"] for row in rows)
    assert questions > 20 and kinds["chat"] and kinds["text"], kinds
    assert {row["kind"] for row in exam} <= {"direct", "paraphrase", "reverse", "unanswerable"}
    assert len({row["document"] for row in exam}) >= 4
    chosen = json.loads((out / "work" / "writer.json").read_text())
    assert chosen["mode"] == "teacher" and chosen["model"] == MODEL


def reported(out: Path) -> None:
    """Look at the figures of the lessons in the report, and at what was dropped."""
    counts = json.loads((out / "work" / "lesson-counts.json").read_text())
    assert counts["kept"] > 20 and MODEL in counts["writer"]
    assert json.loads((out / "work" / "scores.json").read_text())["lessons"] == counts
    report = (out / "report.html").read_text()
    assert "<h2>Lessons</h2>" in report and f"wrote {counts['pairs']} questions" in report
    command = [sys.executable, "-m", "localtune", "lessons", str(out), "--dropped", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert Counter(row["kind"] for row in json.loads(listed.stdout)) == counts["dropped"]


def test_a_base_that_writes_nonsense_gives_way_to_rules(docs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = until(start(docs, out, "--lessons", "self", "--effort", "quick"), "targets")
    assert "too few to expect lessons of use" in said
    assert "exam questions are made by rule" in said or "So the exam is made by rule." in said
    assert "cannot be used: 0 of" in said and "So lessons are made by rule." in said
    assert len(list(read_jsonl(out / "work" / "lessons.jsonl"))) > 100
    assert json.loads((out / "work" / "lesson-counts.json").read_text()) == {}
    again = until(start(docs, out, "--lessons", "structure"), "targets")
    assert "option mode changed (self -> structure)" in again


def test_a_useless_teacher_is_an_error_that_says_how_much_was_kept(
    docs: Path, tmp_path: Path, tiny_server: int
) -> None:
    given = ("--teacher", f"http://127.0.0.1:{tiny_server}", "--effort", "quick")
    done = run(docs, tmp_path / "out", *given)
    assert done.returncode == 1, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("Error: What") and "cannot be used: 0 of" in error
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
