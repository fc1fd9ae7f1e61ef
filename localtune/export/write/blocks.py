"""What every streaming writer does: work in blocks of rows, by several threads, few ahead."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from localtune.machine.cores import cores
from localtune.progress import Progress

BLOCK = 1 << 20  # weights a thread holds at once
Job = TypeVar("Job")


def run_in_threads(
    work: Callable[[Job], None], jobs: Sequence[Job], progress: Progress, label: str
) -> None:
    """Do `work` on every job in as many threads as this process has cores; first error wins.

    Each thread multiplies matrices alone: BLAS threads of its own would fight for the cores (a
    merge of 0.5B weights on 2 cores then takes 3.8 s, not 1.5 s).
    """
    from threadpoolctl import threadpool_limits

    threads = min(8, cores())
    waiting: deque[Future[None]] = deque()
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(threads) as pool,
        progress.bar(label, len(jobs)) as bar,
    ):
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) > 2 * threads:
                    waiting.popleft().result()
                    bar.advance()
            while waiting:
                waiting.popleft().result()
                bar.advance()
        finally:
            for future in waiting:
                future.cancel()


def to_bf16(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Return finite float32 as the bits of the nearest BF16, ties to even.

    Source: ggml_compute_fp32_to_bf16 in ggml-impl.h of llama.cpp.
    """
    bits = np.ascontiguousarray(rows).view(np.uint32)
    rounded = bits >> 16  # one array for all steps: a block then stays in the processor's cache
    rounded &= 1
    rounded += np.uint32(0x7FFF)
    rounded += bits
    upper = 1 if sys.byteorder == "little" else 0
    return np.ascontiguousarray(rounded.view(np.uint16)[..., upper::2])
