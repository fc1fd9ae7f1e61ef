"""A small build through the real command line, and what tests of builds do with it."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

OPTIONS = ["--base", "tiny", "--steps", "40", "--questions", "10", "--quantize", "Q4_K_M"]
# What holds a time in seconds differs between two builds of the same documents.
TIMED = {
    "plan.json",
    "scores.json",
    "report.html",
    "README.md",
    "lock.json",
    "hashes.json",
    "build.json",
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

OFFICE = """# Tarnbrook Boatyard

## Opening hours

- The workshop opens at 7:40 on weekdays.
- The paint store closes at 16:15.
- The slipway is managed by Ilse Varga.

## Fees

| Service | Fee |
|---|---|
| Hull cleaning | 85 euros |
| Mast storage | 140 euros |
| Engine check | 62 euros |

## Questions

### Who keeps the keys?

Ruben Okafor keeps the keys of the boatyard.

### How long is a mooring lease?

A mooring lease lasts eleven months.
"""


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "localtune", *map(str, args)]


def run(*args: str | Path, largest: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command; no file may grow beyond `largest` bytes: a full disk without a disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.run(
        command(*args),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=300,
        preexec_fn=limit if largest else None,
    )


def build(docs: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run("build", docs, "--out", out, *OPTIONS, *more)


def start(docs: Path, out: Path) -> subprocess.Popen[str]:
    arguments = command("build", docs, "--out", out, *OPTIONS)
    return subprocess.Popen(
        arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def artefacts(out: Path) -> dict[str, str]:
    """Return the SHA-256 of every visible file of a build that holds no time."""
    files = (path for path in out.rglob("*") if path.is_file())
    names = ((path.relative_to(out).as_posix(), path) for path in files)
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names
        if path.name not in TIMED and "/." not in f"/{name}"
    }


def one_message(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the last two lines are the error and its hint, and there is no traceback."""
    found = re.findall(r"^(Error|Hint|Traceback)\b", done.stderr, re.MULTILINE)
    return found == ["Error", "Hint"]
