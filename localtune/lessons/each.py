"""Passages -> the ledger, so many at once as the writer takes.

Workers are daemon threads: at Ctrl-C, or an error, nothing waits for what a server still writes.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from localtune.lessons.ledger import Ledger
from localtune.progress import Progress

Row = dict[str, Any]
Job = tuple[str, Row]  # a key of the ledger, and the passage
Done = tuple[str, Row | BaseException]


def write_each(
    jobs: Sequence[Job],
    make: Callable[[Row], Row],
    ledger: Ledger,
    parallel: int,
    progress: Progress,
    label: str = "passages",
    detail: Callable[[str, Row], str] = lambda key, row: "",
    later: Callable[[str, Row], Iterable[Job]] = lambda key, row: (),
) -> None:
    """Make what the ledger lacks, each once, and keep it at once.

    `detail` returns what is shown beside the bar after each. `later` returns jobs that will be
    needed because of one that is done: they are begun while the last of `jobs` are being made, so
    that the writer is never short of work, and those not begun by then are left out. Raises what
    `make` raises, once those in flight are kept.
    """
    missing = {key: (key, row) for key, row in jobs if key not in ledger.rows}
    further: deque[Job] = deque()
    seen = set(missing)
    with progress.bar(label, len(missing)) as bar:
        for key, made in _made(list(missing.values()), further, make, parallel):
            if isinstance(made, BaseException):
                raise made
            ledger.add(key, made)
            if key in missing:
                bar.advance(1, detail(key, made))
            for job in later(key, made):
                if job[0] not in seen and job[0] not in ledger.rows:
                    seen.add(job[0])
                    further.append(job)


def _made(
    jobs: list[Job], further: deque[Job], make: Callable[[Row], Row], parallel: int
) -> Iterator[Done]:
    """Yield what is made in the order in which it is ready; an error comes last.

    `further` grows meanwhile; it is left alone once all of `jobs` are done.
    """
    if parallel == 1:
        for key, row in jobs:
            yield key, make(row)
        return
    waiting, left, done = deque(jobs), {key for key, _ in jobs}, queue.Queue[Done]()
    running, failed = 0, None
    while True:
        while not failed and left and running < parallel and (waiting or further):
            running += _start((waiting or further).popleft(), make, done)
        if not running:
            break
        key, made = done.get()
        running -= 1
        left.discard(key)
        if isinstance(made, BaseException):
            failed = failed or (key, made)
        else:
            yield key, made
    if failed:
        yield failed


def _start(job: Job, make: Callable[[Row], Row], done: queue.Queue[Done]) -> int:
    """Begin one job in a thread of its own; a passage takes seconds, a thread nothing."""

    def work() -> None:
        key, row = job
        try:
            done.put((key, make(row)))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised by who waits
            done.put((key, error))

    threading.Thread(target=work, daemon=True).start()
    return 1
