"""A build without --base: it takes what an installed package holds, and keeps it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from boatyard_build import OFFICE

from localtune.build.hashes import Hashes
from localtune.build.open_build import open_build
from localtune.build.pipeline import standings

OPTIONS = ["--steps", "3", "--questions", "4", "--quantize", "Q8_0", "--lessons", "structure"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return one in which no base is on the machine and no network can be reached."""
    hidden = {"HF_HOME": str(tmp_path / "hf"), "OLLAMA_MODELS": str(tmp_path / "ollama")}
    proxies = dict.fromkeys(("HF_ENDPOINT", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    return {**os.environ, **hidden, **proxies, "OMP_NUM_THREADS": "1"}


def build(folder: Path, environment: dict[str, str]) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "localtune", "build", str(folder / "docs"), *OPTIONS]
    done = subprocess.run(
        [*command, "--out", str(folder / "out"), "--json"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr.splitlines()}


@pytest.mark.slow
def test_a_package_s_base_is_taken_pinned_and_kept(
    tmp_path: Path, tiny_gguf: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "office.md").write_text(OFFICE)
    about = tmp_path / "site" / "llm_little-1.0.dist-info"
    about.mkdir(parents=True)
    gguf = tmp_path / "site" / "little.gguf"
    shutil.copy(tiny_gguf, gguf)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-little\nVersion: 1.0\n")
    (about / "RECORD").write_text("little.gguf,,\n")
    path = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(tmp_path / "site")]))

    first = build(tmp_path, environment | {"PYTHONPATH": path})
    said = "\n".join(first["said"])
    assert "from the package llm-little" in said and "can be downloaded: --base" in said
    built = open_build(tmp_path / "out")
    assert built.config.base.base == str(gguf)
    lock = json.loads(built.at.lock.read_text())
    assert lock["base"]["entry"]["inputs"] == {"base": Hashes().file(gguf)}
    assert {standing.state for standing in standings(built)} == {"done"}

    again = build(tmp_path, environment)  # the package is no longer found, its file is there
    assert again["ran"] == [] and "package" not in "\n".join(again["said"])
