"""A stage runs if and only if its lock entry would change; and which build a command means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localtune.build.hashes import Hashes
from localtune.build.job import Build
from localtune.build.open_build import open_build, shipped, slug, start
from localtune.build.pipeline import keep_settings, run_stage, stages, standings
from localtune.build.results import seconds_of
from localtune.build.stage import Lock, Stage, differences
from localtune.config.stages import (
    BuildConfig,
    ChatConfig,
    ExamConfig,
    LessonsConfig,
    QuantizeConfig,
)
from localtune.errors import ConfigError, InputError
from localtune.progress import Progress, Silent
from localtune.workspace import Workspace, write_text


def shout(source: Path, target: Path, config: dict[str, object] | None = None) -> Stage:
    """A stage that writes its input in capitals."""

    def run(progress: Progress) -> None:
        write_text(target, source.read_text().upper())

    return Stage("shout", 1, config or {}, {"in": source}, {"out": target}, ("click",), run)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "in").write_text("a")
    return shout(tmp_path / "in", tmp_path / "out")


def once(stage: Stage, folder: Path) -> bool:
    """Run a stage as a fresh process would."""
    return run_stage(stage, Lock(folder / "lock.json", Hashes()), Silent())


def why(stage: Stage, folder: Path) -> str:
    return "; ".join(Lock(folder / "lock.json", Hashes()).standing(stage).why)


def test_a_finished_stage_is_skipped(stage: Stage, tmp_path: Path) -> None:
    assert once(stage, tmp_path)
    assert not once(stage, tmp_path)
    assert why(stage, tmp_path) == ""


def test_every_part_of_the_entry_counts_and_is_named(stage: Stage, tmp_path: Path) -> None:
    assert "not been run" in why(stage, tmp_path)
    once(stage, tmp_path)
    assert why(replace(stage, version=2), tmp_path) == ("the stage itself changed (version 1 -> 2)")
    assert why(replace(stage, config={"seed": 3}), tmp_path) == "option seed changed (None -> 3)"
    assert why(replace(stage, libraries=()), tmp_path).startswith("library click changed")
    (tmp_path / "in").write_text("b")
    assert why(stage, tmp_path) == "input in changed"
    (tmp_path / "in").write_text("a")
    (tmp_path / "out").write_text("spoilt")
    assert why(stage, tmp_path) == "output out changed"
    (tmp_path / "out").unlink()
    assert why(stage, tmp_path) == "output out is missing"
    assert once(stage, tmp_path) and (tmp_path / "out").read_text() == "A"


def test_a_spoilt_lock_file_means_run_again(stage: Stage, tmp_path: Path) -> None:
    once(stage, tmp_path)
    (tmp_path / "lock.json").write_text('{"shout": ')
    assert once(stage, tmp_path)


def test_a_stage_that_fails_leaves_no_entry(stage: Stage, tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        raise InputError("no")

    with pytest.raises(InputError):
        once(replace(stage, run=fail), tmp_path)
    assert "not been run" in why(stage, tmp_path)


def test_scratch_is_kept_for_the_same_inputs_only(stage: Stage, tmp_path: Path) -> None:
    scratch = tmp_path / "checkpoints"
    stage, lock = replace(stage, scratch=scratch), Lock(tmp_path / "lock.json", Hashes())
    lock.prepare_scratch(stage)
    (scratch / "checkpoint-20").mkdir()
    lock.prepare_scratch(stage)
    assert (scratch / "checkpoint-20").exists(), "the same run goes on"
    (tmp_path / "in").write_text("other lessons")
    lock.prepare_scratch(stage)
    assert not (scratch / "checkpoint-20").exists(), "another run starts afresh"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n")
    return start(docs, tmp_path / "out", BuildConfig())


def names(build: Build) -> list[str]:
    return [stage.name for stage in stages(build)]


def test_the_stages_are_in_order_and_each_reads_what_one_before_wrote(build: Build) -> None:
    first = ["corpus", "base", "writer", "exam", "lessons", "targets", "plan", "train", "export"]
    assert names(build)[:9] == first
    written = {"documents", "base"}
    for stage in stages(build):
        assert set(stage.inputs) <= written, stage.name
        assert not set(stage.outputs) & written - {"base"}, stage.name
        written |= set(stage.outputs)


def entries(build: Build) -> dict[str, dict[str, object]]:
    return {
        stage.name: {"config": stage.config, "in": set(stage.inputs)} for stage in stages(build)
    }


def test_an_option_touches_only_its_own_stages(build: Build) -> None:
    more = replace(build.config, exam=ExamConfig(questions=3))
    before, after = entries(build), entries(replace(build, config=more))
    assert [name for name in before if before[name] != after[name]] == ["exam"]
    less = replace(build.config, quantize=QuantizeConfig(levels=("Q4_K_M",)))
    after = entries(replace(build, config=less))
    assert [name for name in after if before[name] != after[name]] == ["scores"]
    assert set(before) - set(after) == {"quantize Q8_0", "grade Q8_0"}


def test_lessons_by_rule_choose_no_writer(build: Build) -> None:
    by_rule = replace(build.config, lessons=LessonsConfig(mode="structure"))
    assert "writer" not in names(replace(build, config=by_rule))


def test_another_writer_runs_its_own_stages_and_status_says_why(build: Build) -> None:
    def asking(teacher: str, parallel: int = 4) -> dict[str, dict[str, object]]:
        lessons = LessonsConfig(teacher=teacher, parallel=parallel)
        return entries(replace(build, config=replace(build.config, lessons=lessons)))

    one, other = asking("ollama:a"), asking("ollama:b", parallel=9)
    assert [name for name in one if one[name] != other[name]] == ["writer", "lessons"]
    assert asking("ollama:a", parallel=9) == one
    was, now = ({"version": 1, "libraries": {}, "inputs": {}, "outputs": {}} for _ in "ab")
    said = list(differences(one["writer"] | was, other["writer"] | now))
    assert said == ["option teacher changed (ollama:a -> ollama:b)"]


def test_a_system_prompt_touches_lessons_modelfile_and_grades(build: Build) -> None:
    more = replace(build.config, chat=ChatConfig(system="You know the yard."))
    before, after = entries(build), entries(replace(build, config=more))
    changed = [name for name in before if before[name] != after[name]]
    wanted = ["exam", "lessons", "modelfile", "grade base", "grade Q4_K_M", "grade Q8_0"]
    assert changed == wanted


def test_nothing_depends_on_where_the_folders_lie(build: Build, tmp_path: Path) -> None:
    moved = Build(tmp_path / "x", build.config, Workspace(tmp_path / "y", build.at.name))
    assert entries(moved) == entries(build)


def test_status_says_what_waits_for_what(build: Build) -> None:
    found = {standing.stage: standing.state for standing in standings(build)}
    assert set(found.values()) == {"new"}


def test_seconds_leave_out_levels_that_are_no_longer_made() -> None:
    finished = {name: {"seconds": 1.0} for name in ("train", "quantize Q8_0", "grade base")}
    assert set(seconds_of(finished, ("Q4_K_M",))) == {"train", "grade base"}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("My Docs", "my-docs"), ("Zoë's Notes!", "zoe-s-notes"), ("v1.2", "v1.2"),
        ("文書", "model"), ("..", "model"),
    ],
)  # fmt: skip
def test_names_are_what_ollama_takes(folder: str, name: str) -> None:
    assert slug(folder) == name


def test_the_default_folder_never_is_the_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mydocs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert start(Path("mydocs"), None, BuildConfig()).at.folder == tmp_path / "mydocs-model"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    built = start(Path("../mydocs"), None, BuildConfig()).at
    assert (built.folder, built.name) == (tmp_path / "elsewhere" / "mydocs", "mydocs")


def test_a_build_that_would_read_itself_is_refused(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "work" / "deep").mkdir(parents=True)
    for out in (docs, docs / "out", docs / "work"):
        with pytest.raises(InputError, match="read its own output"):
            start(docs, out, BuildConfig())
    with pytest.raises(InputError, match="documents lie inside"):
        start(docs / "work" / "deep", docs, BuildConfig())
    (tmp_path / "link").symlink_to(docs)
    with pytest.raises(InputError, match="read its own output"):
        start(docs, tmp_path / "link" / "out", BuildConfig())


def test_a_folder_of_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    out = tmp_path / "out"
    (out / "work").mkdir(parents=True)
    start(tmp_path / "docs", out, BuildConfig())  # what a build killed at once leaves
    (out / "README.md").write_text("mine")
    with pytest.raises(InputError, match="no build wrote"):
        start(tmp_path / "docs", out, BuildConfig())
    with pytest.raises(InputError, match="is a file"):
        start(tmp_path / "docs", out / "README.md", BuildConfig())


@pytest.mark.parametrize("docs", ["nosuch", "file.txt"])
def test_documents_that_are_no_folder_are_refused(tmp_path: Path, docs: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(InputError, match=docs):
        start(tmp_path / docs, None, BuildConfig())


def test_a_name_ollama_would_not_take_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(ConfigError, match="--name"):
        start(tmp_path / "docs", tmp_path / "out", BuildConfig(name="my model"))


def test_a_build_folder_is_opened_as_it_was_left(build: Build) -> None:
    keep_settings(build)
    opened = open_build(build.at.folder)
    assert (opened.docs, opened.config, opened.at.name) == (build.docs, build.config, "docs")
    with pytest.raises(InputError, match="not a build folder"):
        open_build(build.docs)


def test_the_shipped_file_is_the_one_in_the_modelfile(build: Build) -> None:
    keep_settings(build)
    with pytest.raises(InputError, match="Modelfile"):
        shipped(build)
    build.at.modelfile.write_text("# a comment\nFROM ./docs-Q8_0.gguf\n")
    with pytest.raises(InputError, match="Q8_0"):
        shipped(build)
    build.at.level_gguf("Q8_0").write_bytes(b"GGUF")
    assert shipped(build) == build.at.level_gguf("Q8_0")
    with pytest.raises(InputError, match="Q6_K") as raised:
        shipped(build, "Q6_K")
    assert raised.value.hint.endswith("--to Q6_K`.")
