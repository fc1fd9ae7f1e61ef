"""One small finished build that tests of what is done with a build share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OFFICE = """# Tarnbrook Boatyard

## Opening hours

- The workshop opens at 7:40 on weekdays.
- The paint store closes at 16:15.
- The slipway is managed by Ilse Varga.

### Who keeps the keys?

Ruben Okafor keeps the keys of the boatyard.
"""
OPTIONS = ["--base", "tiny", "--steps", "20", "--questions", "3", "--quantize", "Q4_K_M,Q8_0"]


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of two levels, named "office", that tests copy or only read."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "docs").mkdir()
    (folder / "docs" / "office.md").write_text(OFFICE)
    command = [sys.executable, "-m", "localtune", "build", str(folder / "docs"), *OPTIONS]
    subprocess.run(
        [*command, "--out", str(folder / "office"), "--name", "office"],
        check=True,
        capture_output=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return folder / "office"
