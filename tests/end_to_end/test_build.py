"""The real command line on the built-in base: build, rebuild, change, ask, quantize, ladder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from boatyard_build import artefacts, build, one_message, run

import localtune
from localtune.progress import Progress, Silent

pytest_plugins = ["boatyard_documents"]


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


def test_a_second_build_does_nothing_and_says_so(docs: Path, built: Path) -> None:
    before = artefacts(built)
    done = build(docs, built)
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
    row = {"question": "Who sells the keys?", "answers": [], "kind": "unanswerable"}
    with exam.open("a") as file:
        file.write(json.dumps({"id": "2", **row}) + "\n")
    said = run("evaluate", copy, "--exam", exam).stdout
    assert "unanswerable" in said and "questions that have an answer were declined" in said
    exam.write_text('{"id": "1"}\n')
    assert one_message(run("evaluate", copy, "--exam", exam))
    assert one_message(run("evaluate", copy, "--exam", tmp_path / "nosuch.jsonl"))


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
