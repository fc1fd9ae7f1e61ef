"""Passages -> the ledger, so many at once as the writer takes.

Workers are daemon threads: at Ctrl-C, or an error, nothing waits for what a server still writes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
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
) -> None:
    """Make what the ledger lacks, each once, and keep it at once.

    `detail` returns what is shown beside the bar after each. Raises what `make` raises, once those
    in flight are kept.
    """
    missing = list({key: (key, row) for key, row in jobs if key not in ledger.rows}.values())
    with progress.bar(label, len(missing)) as bar:
        for key, made in _made(missing, make, parallel):
            if isinstance(made, BaseException):
                raise made
            ledger.add(key, made)
            bar.advance(1, detail(key, made))


def _made(jobs: list[Job], make: Callable[[Row], Row], parallel: int) -> Iterator[Done]:
    """Yield what is made in the order in which it is ready; an error comes last."""
    if parallel == 1:
        for key, row in jobs:
            yield key, make(row)
        return
    waiting, done = iter(jobs), queue.Queue[Done]()
    running = sum(_start(job, make, done) for job in _first(waiting, parallel))
    failed: Done | None = None
    while running:
        key, made = done.get()
        running -= 1
        if isinstance(made, BaseException):
            failed = failed or (key, made)
        else:
            yield key, made
        if not failed:
            running += sum(_start(job, make, done) for job in _first(waiting, 1))
    if failed:
        yield failed


def _first(jobs: Iterator[Job], number: int) -> Iterator[Job]:
    return (job for _, job in zip(range(number), jobs, strict=False))


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
