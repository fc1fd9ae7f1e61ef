"""A build of --adapter-only in Ollama: the real command, a real server, a real adapter."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_build import make_adapter_build
from stand_in_ollama import Handler, StandIn, chatml

from localtune.build.job import Build
from localtune.build.open_build import open_build
from localtune.cli.main import cli

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("adapter")
    return make_adapter_build(folder / "build", folder / "tiny-Q8_0.gguf")


@pytest.fixture
def build(made: Build, tmp_path: Path) -> Build:
    shutil.copytree(made.at.folder, tmp_path / "build", symlinks=True)
    return open_build(tmp_path / "build")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    found = StandIn(tmp_path / "store")
    yield found
    found.close()


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def install(build: Build, server: StandIn, *options: str) -> Done:
    environment = {**os.environ, "OLLAMA_HOST": server.url, "OLLAMA_MODELS": str(server.store)}
    done = CliRunner().invoke(cli, ["install", str(build.at.folder), *options], env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Done(done.exit_code, done.stdout, done.stderr)


def test_an_adapter_is_installed_on_its_base_and_checked(build: Build, server: StandIn) -> None:
    done = install(build, server, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "same", done.stderr
    model = server.models["boatyard:latest"]
    assert list(model["files"]) == ["tiny-Q8_0.gguf"]
    assert list(model["adapters"]) == ["boatyard-adapter.gguf"]
    (row,) = json.loads(build.at.installed.read_text())
    assert row["level"] == "adapter"


def test_another_prompt_than_the_bases_is_found(build: Build, server: StandIn) -> None:
    server.prompt = lambda messages: chatml(messages) + "\n"
    done = install(build, server, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["prompt"] == "other"
    assert "another prompt" in done.stderr


def test_an_answer_unlike_the_exams_is_a_warning(build: Build, server: StandIn) -> None:
    server.answer = "Nobody."
    assert "'Ruben Okafor.'" in install(build, server).stderr


def test_without_the_base_the_prompt_is_not_compared(build: Build, server: StandIn) -> None:
    """The base needn't be on this machine where the Modelfile names a model of Ollama's."""
    text = build.at.modelfile.read_text()
    lines = ["FROM tiny:q8" if line.startswith("FROM ") else line for line in text.splitlines()]
    build.at.modelfile.write_text("\n".join(lines) + "\n")
    shutil.rmtree(build.at.base)
    settings = json.loads(build.at.settings.read_text())
    settings["config"]["base"]["base"] = "ollama:tiny:q8"
    build.at.settings.write_text(json.dumps(settings))
    refused = install(build, server)
    assert refused.returncode == 1 and "no model tiny:q8" in refused.stderr
    assert "ollama pull tiny:q8" in refused.stderr and server.uploads() == 0
    server.keep("tiny:q8", {})
    done = install(build, server, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prompt"] == "unknown"
    assert server.models["boatyard:latest"]["from"] == "tiny:q8"


def test_an_ollama_that_takes_no_adapters_is_explained(build: Build, server: StandIn) -> None:
    def refuse(handler: Handler) -> bool:
        handler.read_body()
        handler.say(400, {"error": "LoRA adapters are no longer supported"})
        return True

    server.accidents["POST /api/create"] = [refuse]
    done = install(build, server)
    assert done.returncode == 1 and "without --adapter-only" in done.stderr
