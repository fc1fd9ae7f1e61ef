"""What a piece of work took: time, memory, energy. Knows nothing of stages.

Memory is the highest resident size of this process with the processes it has started; pages of
mapped files count, as the operating system counts them.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from localtune.machine.energy import Energy

EVERY = 0.2  # seconds between two looks at the memory
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass
class Usage:
    """Seconds, CPU seconds of all processes, bytes at the highest, joules by part.

    `graphics_memory` is what PyTorch held of a card, 0 without one. `joules` is empty where the
    machine doesn't say.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: int = 0
    graphics_memory: int = 0
    joules: dict[str, float] = field(default_factory=dict)

    def rounded(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self) | {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "joules": {part: round(value, 1) for part, value in self.joules.items()},
        }


@contextmanager
def measured() -> Iterator[Usage]:
    """Fill what is yielded with what the block took, also where it fails."""
    usage, end, energy = Usage(), threading.Event(), Energy()
    own = Peak()
    watch = threading.Thread(target=_watch, args=(usage, end, energy), daemon=True)
    began, cpu = time.monotonic(), _cpu_seconds()
    watch.start()
    try:
        yield usage
    finally:
        usage.seconds, usage.cpu_seconds = time.monotonic() - began, _cpu_seconds() - cpu
        end.set()
        watch.join()
        usage.joules = energy.joules()
        usage.memory = max(usage.memory, own.bytes())
        usage.graphics_memory = own.graphics_bytes()


def _watch(usage: Usage, end: threading.Event, energy: Energy) -> None:
    while True:
        usage.memory = max(usage.memory, tree_memory())
        energy.joules()
        if end.wait(EVERY):
            return


def tree_memory() -> int:
    """Return the resident bytes of this process and all that it has started, at this moment."""
    return int(sum(_of_tree(lambda process: process.memory_info().rss)))


def _of_tree(figure: Callable[[psutil.Process], float]) -> Iterator[float]:
    """Yield a figure of this process and of each that it has started."""
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):  # it has just ended
            yield figure(process)


class Peak:
    """The highest resident size of this process since this was made.

    Linux keeps it (proc(5): 5 in clear_refs resets VmHWM). Elsewhere it is what is held when asked.
    """

    def __init__(self) -> None:
        self._kept = False
        try:
            _CLEAR.write_text("5")
            self._kept = True
        except OSError:
            pass
        if cuda := _cuda():
            cuda.reset_peak_memory_stats()

    def bytes(self) -> int:
        """Return the peak in bytes."""
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.M) if self._kept else None
        return int(found[1]) * 1024 if found else psutil.Process().memory_info().rss

    def graphics_bytes(self) -> int:
        """Return what PyTorch has held of the first card at the highest, 0 without one."""
        cuda = _cuda()
        return int(cuda.max_memory_reserved()) if cuda else 0


def _cuda() -> Any:
    """Return torch.cuda where PyTorch is loaded and there is a card: it isn't loaded for this."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and all that it has started, ended or running."""
    return sum(_of_tree(lambda process: sum(process.cpu_times()[:4])))
