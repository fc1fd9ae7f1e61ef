"""How many threads compute on the CPU: the count that is fastest at the moment, by measurement.

The threads of a product wait for each other at its end, and they wait without giving up their
cores. Beside another program, one thread per core is therefore many times slower than one thread
less, and no fixed count is right both on an idle machine and on a busy one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from localtune.machine.cores import chosen_threads, cores

FALLEN = 0.5  # of the best speed with these threads, below which fewer are tried
SLOW_STEPS = 2  # in a row, before fewer are tried: a single one is chance
HOPELESS = 0.75  # of the best speed, below which half as many threads or fewer are not tried
FIRST_STEP = 4  # times slower than others, at most, that a step is for being the first
TRIAL_SHARE = 0.1  # of the time that may be lost by trying more threads again
LEAST_STEPS = 10  # between two trials


def counts_up_to(most: int) -> list[int]:
    """Return the thread counts to try, the largest first: all, one less, and by halves to one."""
    halves = {most >> i for i in range(most.bit_length())}
    return sorted(halves | {max(1, most - 1)}, reverse=True)


class ThreadChoice:
    """Choose the thread count of each step by the speed of the steps before it.

    A trial gives one step to each count: to all of them at the start, to smaller ones when the
    speed falls by half, to larger ones from time to time. The steps of a trial are real work, so
    that only what they are slower is lost.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        """Take the thread counts to choose from, the largest first."""
        self.threads = self.settled = counts[0]  # of the next step, and outside of trials
        self.most = counts[0]
        self._counts, self._queue = counts, counts
        self._trying, self._first = len(counts) > 1, True
        self._steps: list[tuple[int, int, float]] = []  # threads, tokens, seconds; of the trial
        self._best, self._slow = 0.0, 0  # tokens a second; steps in a row
        self._rest, self._between = 0.0, 0  # seconds and steps until more threads are tried

    def after(self, tokens: int, seconds: float) -> int:
        """Return the thread count of the next step; the last one took `seconds` for `tokens`."""
        if tokens and len(self._counts) > 1:
            step = (self.threads, tokens, max(seconds, 1e-9))
            if self._trying:
                self._steps.append(step)
                self._continue()
            else:
                self._watch(*step)
        return self.threads

    def _watch(self, threads: int, tokens: int, seconds: float) -> None:
        """Begin a trial where the speed has fallen, or where more threads may be faster by now."""
        speed = tokens / seconds
        self._best = max(self._best, speed)
        self._slow = self._slow + 1 if speed < FALLEN * self._best else 0
        self._rest, self._between = self._rest - seconds, self._between - 1
        if self._slow >= SLOW_STEPS:
            self._queue = [n for n in self._counts if n < threads]
        elif threads < self.most and self._rest <= 0 and self._between <= 0:
            self._queue = [n for n in self._counts if n > threads]
        else:
            return
        self._trying, self._steps = True, [(threads, tokens, seconds)]
        self._continue()

    def _continue(self) -> None:
        """Choose the next count of a trial; end it where no count that is left can be faster."""
        speeds = {threads: tokens / seconds for threads, tokens, seconds in self._steps}
        best = max(speeds, key=speeds.__getitem__)
        slow = [n for n in speeds if 2 * n <= best and speeds[n] < HOPELESS * speeds[best]]
        left = [n for n in self._queue if n not in speeds and n > max(slow, default=0)]
        if not left and self._first:
            self._first = False
            begun = self._steps[0][0]
            if begun != best and speeds[begun] * FIRST_STEP > speeds[best]:
                left = [begun]
        if left:
            self.threads = left[0]
        else:
            self._settle(best, speeds[best])

    def _settle(self, threads: int, speed: float) -> None:
        self.threads = self.settled = threads
        self._best, self._slow, self._trying = speed, 0, False
        lost = sum(max(0.0, seconds - tokens / speed) for _, tokens, seconds in self._steps)
        self._rest, self._between = lost / TRIAL_SHARE, LEAST_STEPS


class TorchThreads:
    """Set PyTorch's thread count on the CPU by measurement, and restore it at the end.

    A count that the user chose is used throughout, also if nothing is `measured`, as beside a GPU.
    `say` is given a sentence when the count changes.
    """

    def __init__(
        self, measured: bool = True, say: Callable[[str], None] = lambda text: None
    ) -> None:
        import torch

        self._torch, self._before, self._say = torch, torch.get_num_threads(), say
        most = chosen_threads() or min(cores(), self._before)
        fixed = chosen_threads() or not measured
        self.choice = ThreadChoice([most] if fixed else counts_up_to(most))

    def __enter__(self) -> TorchThreads:
        self._torch.set_num_threads(self.choice.threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._torch.set_num_threads(self._before)

    @contextmanager
    def timed(self, tokens: int) -> Iterator[None]:
        """Time one step of work on `tokens`, and set the thread count of the next one."""
        began, settled = time.perf_counter(), self.choice.settled
        yield
        self._torch.set_num_threads(self.choice.after(tokens, time.perf_counter() - began))
        if self.choice.settled != settled:
            count, most = self.choice.settled, self.choice.most
            self._say(f"using {count} of {most} threads (fastest measured)")
