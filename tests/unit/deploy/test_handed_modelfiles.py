"""A build folder from someone else: its Modelfile doesn't decide which files are sent to Ollama."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_build import make_adapter_build, make_build
from stand_in_ollama import StandIn

from localtune.build.job import Build
from localtune.build.open_build import open_build
from localtune.cli.main import cli

pytestmark = pytest.mark.slow
PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return make_build(tmp_path_factory.mktemp("handed") / "build")


@pytest.fixture
def build(made: Build, tmp_path: Path) -> Build:
    shutil.copytree(made.at.folder, tmp_path / "build", symlinks=True)
    return open_build(tmp_path / "build")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    found = StandIn(tmp_path / "store")
    yield found
    found.close()


def install(build: Build, server: StandIn) -> tuple[int, str]:
    environment = {**os.environ, "OLLAMA_HOST": server.url, "OLLAMA_MODELS": str(server.store)}
    done = CliRunner().invoke(cli, ["install", str(build.at.folder)], env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.stderr


def add(build: Build, line: str) -> None:
    with build.at.modelfile.open("a") as modelfile:
        modelfile.write(f"\n{line}\n")


@pytest.mark.parametrize("command", ["FROM", "ADAPTER"])
@pytest.mark.parametrize("content", [PRIVATE, b"GGUF and more"])
@pytest.mark.parametrize("way", ["absolute", "upwards", "link", "linked folder", "home"])
def test_a_file_outside_the_build_is_not_sent(
    command: str, content: bytes, way: str, build: Build, server: StandIn, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    outside = tmp_path / "home" / "id"
    outside.parent.mkdir()
    outside.write_bytes(content)
    monkeypatch.setenv("HOME", str(outside.parent))
    (build.at.folder / "link.gguf").symlink_to(outside)
    (build.at.folder / "folder").symlink_to(outside.parent)
    named = {
        "absolute": str(outside), "upwards": "../home/id", "link": "./link.gguf",
        "linked folder": "folder/id", "home": "~/id",
    }  # fmt: skip
    add(build, f"{command} {named[way]}")
    code, said = install(build, server)
    assert code == 1 and "neither inside the build folder" in said
    assert server.received == 0 and server.asked == []


def test_a_file_inside_the_build_that_is_no_gguf_is_not_sent(build: Build, server: StandIn) -> None:
    (build.at.folder / "notes.gguf").write_bytes(PRIVATE)
    add(build, "ADAPTER ./notes.gguf")
    code, said = install(build, server)
    assert code == 1 and "is not a GGUF" in said and server.received == 0


def test_a_build_folder_that_is_reached_by_a_link_is_installed(
    build: Build, server: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "shortcut").symlink_to(build.at.folder)
    assert install(open_build(tmp_path / "shortcut"), server)[0] == 0


def test_only_the_configured_base_of_an_adapter_may_lie_elsewhere(
    server: StandIn, tmp_path: Path
) -> None:
    build = make_adapter_build(tmp_path / "adapter build", tmp_path / "tiny.gguf")
    assert install(build, server)[0] == 0
    shutil.copy(tmp_path / "tiny.gguf", tmp_path / "other.gguf")
    text = build.at.modelfile.read_text()
    build.at.modelfile.write_text(text.replace("tiny.gguf", "other.gguf"))
    code, said = install(build, server)
    assert code == 1 and "other.gguf" in said and "neither inside" in said
