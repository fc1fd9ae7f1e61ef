"""The boatyard's documents and its finished build, for every test here that wants them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from boatyard_build import OFFICE, build


@pytest.fixture(scope="session")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder of documents, one of them a file that can't be read as text."""
    folder = tmp_path_factory.mktemp("documents") / "boatyard"
    folder.mkdir()
    (folder / "office.md").write_text(OFFICE)
    (folder / "rules.txt").write_text(
        "The yard rules\n\nThe crane may lift 12 tonnes at most. "
        "The safety officer of Tarnbrook Boatyard is Mina Castellan.\n"
    )
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    return folder


@pytest.fixture(scope="session")
def built(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished build that tests copy or only read."""
    out = tmp_path_factory.mktemp("built") / "boatyard"
    done = build(docs, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the finished build that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "copy", symlinks=True))
