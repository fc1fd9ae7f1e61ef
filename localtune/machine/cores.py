"""How many threads or processes a stage may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

THREADS = "LOCALTUNE_THREADS"  # in the environment, so that child processes see it as well
SMALL_MODEL = 100_000_000  # parameters


def cores() -> int:
    """Return the thread count the user chose, otherwise the number of usable cores."""
    return chosen_threads() or usable_cores()


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of cores that CPU affinity and cgroup quotas leave to this process.

    `root` is the folder that holds proc and sys.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    # Rounded down: a thread that the quota stops makes the others wait.
    return max(1, int(min(count, _quota(root))))


def chosen_threads() -> int:
    """Return the thread count that `--threads` set for this process, 0 where it is not set."""
    count = os.environ.get(THREADS, "")
    return int(count) if count.isdecimal() else 0


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Make `count` the thread count of this process and of those it starts; 0 changes nothing."""
    before = os.environ.get(THREADS)
    if count:
        os.environ[THREADS] = str(count)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(THREADS, None)
        else:
            os.environ[THREADS] = before


def llama_threads(parameters: int) -> int:
    """Return how many threads llama.cpp gets: one for a small model, otherwise all cores.

    The threads of a small model wait for each other longer than they compute: beside another busy
    program it is 100 times slower (5.8M parameters, 2 cores: 1.0 s a question, 0.007 s with one
    thread).
    """
    return chosen_threads() or fastest_threads(parameters)


def fastest_threads(parameters: int) -> int:
    """Return the same where the user chose none."""
    return 1 if parameters < SMALL_MODEL else usable_cores()


def _quota(root: Path) -> float:
    """Return the CPUs that the process's cgroup and those above it may use, inf without a limit.

    Reads cpu.max (version 2) and cpu.cfs_quota_us (version 1). In a container the paths in
    /proc/self/cgroup may be the host's, and the container's own limits are at the mount's root.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return float("inf")
    limits, mount = [float("inf")], root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        inner = Path(path.lstrip("/"))
        for top in (mount / controllers, mount / "cpu") if controllers else (mount,):
            limits += (_limit(top / part) for part in (inner, *inner.parents))
    return min(limits)


def _limit(cgroup: Path) -> float:
    """Return the CPUs that one cgroup may use, inf without a limit."""
    for files in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
            return float(quota) / float(period) if float(quota) > 0 else float("inf")
        except (OSError, ValueError):  # not there, or "max"
            continue
    return float("inf")
