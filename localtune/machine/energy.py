"""Joules, from the counters of the machine: RAPL for processor and memory, NVML for NVIDIA cards.

Where a counter isn't there, or only root may read it (Linux since 5.10), nothing is measured, and
nothing is guessed here. Sources: Documentation/power/powercap/powercap.rst of Linux (energy_uj
counts microjoules and begins anew at max_energy_range_uj); nvml.h (millijoules since the driver was
loaded, Volta and later).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
KINDS = {"package": "processor", "dram": "memory"}  # a package holds its cores, not its memory


@dataclass
class Zone:
    """One RAPL counter; `last` is what it said, in microjoules."""

    folder: Path
    kind: str
    range: int
    last: int

    def passed(self) -> int:
        """Return the microjoules since the last call, across one return to 0."""
        now = _number(self.folder / "energy_uj")
        gone = now - self.last
        self.last = now
        return gone if gone >= 0 else gone + self.range


class Energy:
    """The machine's counters; ask at least once every few minutes, as RAPL's begin anew."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._zones = list(_zones(powercap))
        self._cards = Cards()
        self._before = self._cards.millijoules()
        self._joules = {zone.kind: 0.0 for zone in self._zones}

    def joules(self) -> dict[str, float]:
        """Return {"processor": …, "memory": …, "graphics": …} since the start, what is measured."""
        for zone in self._zones:
            self._joules[zone.kind] += zone.passed() / 1e6
        now = self._cards.millijoules()
        if now is not None and self._before is not None:
            self._joules["graphics"] = (now - self._before) / 1e3
        return dict(self._joules)


def _zones(powercap: Path) -> list[Zone]:
    """Return the counters that may be read; each package, and its memory where that is apart."""
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):  # AMD's are under this name too
        try:
            kind = KINDS.get((folder / "name").read_text().strip().split("-")[0])
            values = [_number(folder / name) for name in ("max_energy_range_uj", "energy_uj")]
        except (OSError, ValueError):
            continue
        if kind:
            found.append(Zone(folder, kind, *values))
    return found


def _number(file: Path) -> int:
    return int(file.read_text())


class Cards:
    """NVIDIA's cards, through the driver's own library; none where there is no driver."""

    def __init__(self) -> None:
        self._handles: list[ctypes.c_void_p] = []
        try:
            self._nvml = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        count = ctypes.c_uint()
        if self._nvml.nvmlInit_v2() or self._nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return
        for i in range(count.value):
            handle = ctypes.c_void_p()
            if not self._nvml.nvmlDeviceGetHandleByIndex_v2(i, ctypes.byref(handle)):
                self._handles.append(handle)

    def millijoules(self) -> int | None:
        """Return what all cards have used since their driver was loaded, None where none says."""
        total, known = 0, False
        for handle in self._handles:
            used = ctypes.c_ulonglong()
            if not self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used)):
                total, known = total + used.value, True
        return total if known else None
