"""Which model of an Ollama on this machine writes lessons where none is named."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rule_teacher import RuleTeacher, teaching

from localtune.build import writing_stages
from localtune.build.job import Build
from localtune.config.stages import BaseConfig, BuildConfig, LessonsConfig
from localtune.errors import ConfigError
from localtune.lessons.teacher.selection import MAX_PARAMETERS, choose_in_ollama, teacher_file
from localtune.progress import Silent
from localtune.workspace import Workspace, read_json, write_jsonl

GB = 1_000_000_000
CHAT = {"template": "{{ .System }} {{ range .Messages }}{{ .Content }}{{ end }}"}
BARE = {"template": "{{ .Prompt }}"}


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuleTeacher]:
    """Return a stand-in for the Ollama of this machine, without models."""
    with teaching() as running:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{running.server_port}")
        yield running


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    available(monkeypatch, 16 * GB)


def available(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let the machine have so many bytes of memory available."""
    memory = type("Memory", (), {"available": size})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)


def add(
    ollama: RuleTeacher, name: str, size: str, held: float, shown: Any = CHAT, **more: Any
) -> None:
    """Add a model of so many parameters and gigabytes."""
    row = {"name": name, "model": name, "size": int(held * GB)}
    ollama.tags.append({**row, "details": {"parameter_size": size}, **more})
    if shown:
        ollama.shown[name] = shown


def test_the_largest_instruct_model_that_fits_is_chosen(ollama: RuleTeacher) -> None:
    add(ollama, "small:latest", "494.03M", 0.4)
    add(ollama, "large:latest", "8.0B", 4.7)
    add(ollama, "medium:latest", "3.2B", 2.0)
    name, reason = choose_in_ollama()
    assert name == "large:latest" and "8.0B parameters" in reason


def test_a_model_that_does_not_fit_into_memory_is_not_chosen(
    ollama: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ollama, "large:latest", "8.0B", 4.7)
    add(ollama, "medium:latest", "3.2B", 2.0)
    available(monkeypatch, 5 * GB)
    assert choose_in_ollama()[0] == "medium:latest"
    available(monkeypatch, 2 * GB)
    name, reason = choose_in_ollama()
    assert name == "" and "2 models" in reason and "fits into memory" in reason


@pytest.mark.parametrize(
    ("size", "usable"),
    [("99M", False), ("150M", True), ("9B", True), ("14.8B", False), ("", False), ("big", False)],
)
def test_a_model_of_unsuitable_or_unknown_size_is_not_chosen(
    ollama: RuleTeacher, size: str, usable: bool
) -> None:
    assert MAX_PARAMETERS == 9 * GB
    add(ollama, "one:latest", size, 1.0)
    assert bool(choose_in_ollama()[0]) is usable


@pytest.mark.parametrize("name", ["gpt-oss:20b-cloud", "GPT-OSS:20B-Cloud", "glm:cloud"])
def test_a_model_of_ollamas_cloud_is_never_chosen(ollama: RuleTeacher, name: str) -> None:
    add(ollama, name, "8.0B", 0.0)
    assert choose_in_ollama()[0] == ""
    add(ollama, "here:latest", "1.5B", 1.0)
    assert choose_in_ollama()[0] == "here:latest"


@pytest.mark.parametrize("key", ["remote_host", "remote_model"])
def test_a_model_that_runs_elsewhere_is_never_chosen(ollama: RuleTeacher, key: str) -> None:
    elsewhere = {key: "https://ollama.com:443"}
    add(ollama, "listed:latest", "8.0B", 1.0, **elsewhere)
    add(ollama, "shown:latest", "7.0B", 1.0, shown={**CHAT, **elsewhere})
    assert choose_in_ollama()[0] == ""
    add(ollama, "here:latest", "1.5B", 1.0)
    assert choose_in_ollama()[0] == "here:latest"
    assert not ollama.bodies, "no model was asked for a text"


@pytest.mark.parametrize(
    "shown",
    [
        BARE,
        {"template": " {{ .Prompt }}\n"},
        {**CHAT, "capabilities": ["embedding"]},
        {},
        {"template": None},
    ],
)
def test_a_model_that_does_not_chat_is_not_chosen(
    ollama: RuleTeacher, shown: dict[str, Any]
) -> None:
    add(ollama, "base:latest", "8.0B", 4.7, shown=shown)
    assert choose_in_ollama()[0] == ""
    add(ollama, "chat:latest", "3.2B", 2.0, shown={**CHAT, "capabilities": ["completion"]})
    assert choose_in_ollama()[0] == "chat:latest"


def test_an_ollama_on_another_machine_is_not_asked(
    ollama: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ollama, "large:latest", "8.0B", 4.7)
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.7:11434")
    name, reason = choose_in_ollama()
    assert name == "" and "192.0.2.7" in reason
    assert not ollama.paths


def test_no_ollama_and_no_models_are_reasons(
    ollama: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, reason = choose_in_ollama()
    assert name == "" and "0 models" in reason
    with socket.socket() as probed:
        probed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{probed.getsockname()[1]}")
    name, reason = choose_in_ollama()
    assert name == "" and "no Ollama answers" in reason


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return a build whose base is the built-in one, as if it were large enough to ask."""
    at, base = Workspace(tmp_path / "yard", "yard"), BaseConfig("tiny").folder()
    assert base
    at.work.mkdir(parents=True)
    shutil.copytree(base, at.base)
    return Build(tmp_path / "docs", BuildConfig(), at)


@pytest.mark.slow
def test_a_build_takes_the_model_of_ollama_where_none_is_named(
    ollama: RuleTeacher, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_stages, "SMALL", 1_000_000)
    add(ollama, "large:latest", "8.0B", 4.7)
    writing_stages.choose(build, Silent())
    chosen = read_json(build.at.writer)
    assert (chosen["mode"], chosen["teacher"]) == ("teacher", "ollama:large:latest")
    assert chosen["model"] == "large:latest" and "large:latest" in chosen["identity"]
    assert chosen["base"] and chosen["answers"] is True


@pytest.mark.slow
def test_a_build_is_made_by_rule_where_nothing_can_write(
    ollama: RuleTeacher, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_stages, "SMALL", 1_000_000)
    writing_stages.choose(build, Silent())
    assert read_json(build.at.writer) == {"mode": "structure", "identity": ""}
    assert not build.at.writer_gguf.exists()


def test_a_small_base_does_not_ask_ollama(ollama: RuleTeacher, build: Build) -> None:
    add(ollama, "large:latest", "8.0B", 4.7)
    writing_stages.choose(build, Silent())
    assert read_json(build.at.writer)["mode"] == "structure" and not ollama.paths


@pytest.mark.slow
def test_a_gguf_file_is_a_teacher_on_this_machine(
    build: Build, tiny_gguf: Path, tmp_path: Path
) -> None:
    lessons = LessonsConfig(mode="teacher", teacher=str(tiny_gguf))
    lessons.check()
    assert teacher_file(lessons) == tiny_gguf
    assert teacher_file(LessonsConfig(teacher="ollama:tiny")) is None
    offline = BuildConfig(lessons=lessons, base=BaseConfig(offline=True))
    asked = replace(build, config=offline)
    writing_stages.choose(asked, Silent())
    chosen = read_json(build.at.writer)
    assert chosen["teacher"] == str(tiny_gguf) and chosen["model"] == ""
    assert chosen["identity"].startswith("tiny-Q8_0.gguf ")
    with writing_stages._writers(asked, chosen, Silent()) as (writer, base):
        assert writer.identity == chosen["identity"] and base.identity == chosen["base"]
        assert writer.write([{"role": "user", "content": "Hi."}], max_tokens=5).text


def test_a_gguf_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.gguf.*a file that exists"):
        LessonsConfig(mode="teacher", teacher=str(tmp_path / "absent.gguf")).check()
    with pytest.raises(ConfigError, match="--teacher"):
        LessonsConfig(mode="self", teacher=str(tmp_path / "absent.gguf")).check()


@pytest.mark.slow
def test_rules_take_over_where_a_model_that_nobody_named_is_useless(
    ollama: RuleTeacher, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_stages, "SMALL", 1_000_000)
    add(ollama, "large:latest", "8.0B", 4.7)
    ollama.useless = True
    at = build.at
    text = "Ruben Okafor keeps the keys. Hull cleaning costs 85 euros. The gate opens at 7:40."
    row = {"id": "p", "document": "yard.md", "title": "Yard", "headings": [], "text": text}
    write_jsonl(at.passages, [{**row, "tokens": 30}])
    write_jsonl(at.chats, [])
    writing_stages.choose(build, Silent())
    assert read_json(at.writer)["mode"] == "teacher"
    writing_stages.exam(build, at.exam, Silent())
    writing_stages.lessons(build, Silent())
    assert at.exam.exists() and at.lessons.exists()
