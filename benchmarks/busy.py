"""Training speed on an idle machine and beside a busy program, with a fixed and a measured count
of threads.

    python benchmarks/busy.py [--steps N] [--threads N]

Trains the built-in base on invented sentences. Prints tokens per second, trials of other thread
counts included, and the ratio to all cores on the idle machine. Other programs falsify it: the load
of the machine is printed before each run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

BUSY = [sys.executable, "-c", "while True: pass"]
MAX_LENGTH, STEP_TOKENS = 256, 1024


def main() -> None:
    """Parse, train four times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="of each run")
    parser.add_argument("--threads", type=int, default=0, help="the fixed count; 0 means all cores")
    given = parser.parse_args()
    from localtune.machine.cores import usable_cores

    fixed = given.threads or usable_cores()
    say(f"{given.steps} steps a run of {STEP_TOKENS:,} tokens on {usable_cores()} cores")
    reference = 0.0
    for name, beside in (("idle", nullcontext), ("beside a busy program", busy_program)):
        for threads in (fixed, 0):
            load = os.getloadavg()[0]
            # A fixed count beside a busy program may take 30 times as long.
            steps = max(3, given.steps // (10 if threads and beside is busy_program else 1))
            with beside():
                speed = train_some(steps, threads)
            reference = reference or speed
            how = f"{threads} threads" if threads else "measured"
            ratio = speed / reference
            say(f"{name:24}{how:12}{speed:9,.0f} tokens/s {ratio:6.2f}  (load before {load:.1f})")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def busy_program() -> Iterator[None]:
    """Keep one core busy."""
    program = subprocess.Popen(BUSY)
    try:
        yield
    finally:
        program.kill()
        program.wait()


def train_some(steps: int, threads: int) -> float:
    """Return the tokens per second from the end of the first step to the end of the last."""
    import time

    from torch.optim.optimizer import register_optimizer_step_post_hook

    from localtune.config.stages import BaseConfig, TrainConfig
    from localtune.training.train import train
    from localtune.workspace import write_jsonl

    base = BaseConfig("tiny").folder()
    assert base
    config = TrainConfig(
        steps=steps, threads=threads, max_length=MAX_LENGTH, batch_tokens=STEP_TOKENS
    )
    ends: list[float] = []
    hook = register_optimizer_step_post_hook(lambda *_: ends.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = "Gate {n} of the depot opens at {n} minutes past nine and closes at noon. " * 20
        write_jsonl(folder / "lessons.jsonl", ({"text": text.format(n=n)} for n in range(500)))
        files = (folder / part for part in ("lessons.jsonl", "adapter", "metrics", "checkpoints"))
        train(base, *files, config)
    hook.remove()
    return STEP_TOKENS * (steps - 1) / (ends[-1] - ends[0])


if __name__ == "__main__":
    main()
