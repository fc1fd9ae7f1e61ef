"""Worker processes that read files side by side, each file within limits of time and memory."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, Protocol, TypeVar

from localtune.corpus.read.reading import Job, Settings
from localtune.errors import LocaltuneError
from localtune.machine.processes import module_command, module_environment

AHEAD = 4  # small files that one process holds, so that it need not wait for the next


class HasJob(Protocol):
    """Whatever the caller knows a file by."""

    def job(self) -> Job:
        """Return what a worker must know to read it."""


T = TypeVar("T", bound=HasJob)


@dataclass
class _Worker(Generic[T]):
    """A process and what it was given; it works at the first and must be done by `until`."""

    process: subprocess.Popen[bytes]
    connection: Connection
    given: deque[tuple[T, Job]] = field(default_factory=deque)
    until: float = 0.0


class Workers(Generic[T]):
    """Up to `number` processes; each file has `seconds`, each process `megabytes` of data."""

    def __init__(self, number: int, seconds: float, megabytes: int, settings: Settings) -> None:
        self._number, self._seconds, self._megabytes = number, seconds, megabytes
        self._settings = settings
        self._workers: list[_Worker[T]] = []

    def read(self, waiting: deque[T]) -> Iterator[tuple[T, dict[str, Any]]]:
        """Yield (item, answer) as they come; `waiting` may grow meanwhile.

        Raises LocaltuneError where no process can be started.
        """
        try:
            while waiting or any(worker.given for worker in self._workers):
                self._hand_out(waiting)
                for worker in self._done():
                    item, _ = worker.given.popleft()
                    yield item, self._answer(worker, waiting)
        finally:
            for worker in list(self._workers):
                self._end(worker)

    def _hand_out(self, waiting: deque[T]) -> None:
        idle = sum(not worker.given for worker in self._workers)
        missing = min(len(waiting) - idle, self._number - len(self._workers))
        started = [self._start() for _ in range(missing)]
        for worker in started:
            self._wait_until_ready(worker)
        for ahead in range(AHEAD):
            for worker in [w for w in self._workers if len(w.given) <= ahead and waiting]:
                if all(job.small for _, job in worker.given):
                    self._give(worker, waiting)

    def _give(self, worker: _Worker[T], waiting: deque[T]) -> None:
        """Give a worker the next file, unless it is large and would wait behind others."""
        item = waiting[0] if waiting else None
        job = item.job() if item else None
        if item is None or job is None or (worker.given and not job.small):
            return
        waiting.popleft()
        worker.given.append((item, job))
        if len(worker.given) == 1:
            self._begin(worker)
        with suppress(OSError):  # it has died: that shows where its answer is awaited
            worker.connection.send(job)

    def _begin(self, worker: _Worker[T]) -> None:
        """Set when the file that a worker is at must be done."""
        if worker.given:
            patience = worker.given[0][1].patience
            worker.until = time.monotonic() + self._seconds * patience

    def _start(self) -> _Worker[T]:
        """Start a process that reads files."""
        ours, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            code = module_command("localtune.corpus.read.worker")
            process = subprocess.Popen(
                [*code, str(number), str(self._megabytes)],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=module_environment(),
            )
        ours.send(self._settings)
        worker = _Worker[T](process, ours)
        self._workers.append(worker)
        return worker

    def _wait_until_ready(self, worker: _Worker[T]) -> None:
        try:
            worker.connection.recv()
        except EOFError as error:
            raise LocaltuneError(
                "The process that reads documents can't start.",
                "Look with `python -m localtune.corpus.read.worker 0 1000`; install localtune "
                "anew.",
            ) from error

    def _done(self) -> list[_Worker[T]]:
        """Wait for the next answers, deaths, or files whose time is up."""
        busy = [worker for worker in self._workers if worker.given]
        left = min(worker.until for worker in busy) - time.monotonic()
        ready = wait([worker.connection for worker in busy], max(left, 0))
        late = time.monotonic()
        return [worker for worker in busy if worker.connection in ready or worker.until <= late]

    def _answer(self, worker: _Worker[T], waiting: deque[T]) -> dict[str, Any]:
        """Take a worker's answer; one that died or took too long is ended, its file has failed."""
        answer = self._received(worker)
        if answer.pop("last", False):
            waiting.extendleft(item for item, _ in reversed(worker.given))  # it never came to them
            self._end(worker)
        else:
            self._begin(worker)
        return answer

    def _received(self, worker: _Worker[T]) -> dict[str, Any]:
        if not worker.connection.poll():
            return _failed(f"takes longer than corpus.file_seconds ({self._seconds:g})")
        try:
            answer: dict[str, Any] = worker.connection.recv()
        except (EOFError, OSError):
            return _failed("its reader crashed: damaged, or more memory than one file may take")
        return answer

    def _end(self, worker: _Worker[T]) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.kill()
        worker.process.wait()


def _failed(reason: str) -> dict[str, Any]:
    return {"status": "failed", "reason": reason, "last": True}
