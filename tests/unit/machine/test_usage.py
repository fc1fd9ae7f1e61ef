"""Time, memory and energy of a piece of work, from real processes and a tree of real files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from localtune.machine.energy import Energy
from localtune.machine.usage import measured


def counter(folder: Path, name: str, microjoules: int, limit: int = 1_000_000) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def test_rapl_counts_packages_and_memory_but_no_core_twice(tmp_path: Path) -> None:
    package = counter(tmp_path / "intel-rapl:0", "package-0", 100_000)
    core = counter(tmp_path / "intel-rapl:0:0", "core", 5)
    memory = counter(tmp_path / "intel-rapl:0:1", "dram", 0)
    energy = Energy(tmp_path)
    package.write_text("350000")
    core.write_text("200000")
    memory.write_text("50000")
    assert energy.joules() == {"processor": 0.25, "memory": 0.05}


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    package = counter(tmp_path / "intel-rapl:0", "package-0", 900_000)
    energy = Energy(tmp_path)
    for value in (999_999, 100_000, 50_000):
        package.write_text(str(value))
        found = energy.joules()
    assert found["processor"] == (99_999 + 100_001 + 950_000) / 1e6


def test_without_a_counter_nothing_is_measured(tmp_path: Path) -> None:
    assert not Energy(tmp_path / "none").joules().get("processor")
    counter(tmp_path / "intel-rapl:0", "package-0", 1).write_text("no number")
    assert not Energy(tmp_path).joules().get("processor")


BLOCKS = """
import numpy, sys, time
from localtune.machine.usage import measured
with measured() as before:
    time.sleep(0.01)
with measured() as usage:
    held = numpy.ones(25_000_000)
    del held
with measured() as after:
    time.sleep(0.01)
assert usage.rounded()["memory"] == usage.memory
print(before.memory, usage.memory, after.memory)
"""


def test_memory_is_the_highest_of_the_block_only() -> None:
    # In a process of its own: in this one an earlier test's memory would be used again.
    ran = subprocess.run([sys.executable, "-c", BLOCKS], check=True, capture_output=True, text=True)
    before, highest, after = map(int, ran.stdout.split())
    assert highest - before > 190e6
    assert after < highest - 150e6


def test_processes_that_are_started_count() -> None:
    code = "import time; held = bytearray(200_000_000); time.sleep(0.7); sum(range(3_000_000))"
    with measured() as usage:
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
    with measured() as alone:
        time.sleep(0.01)
    assert usage.memory - alone.memory > 190e6
    assert usage.cpu_seconds > 0.05 and usage.seconds > 0.7
