"""Run code in a child process, so that a crash of a C library becomes an error here.

The child is started once and answers many requests. It holds objects, made from a class named
"package.module:Class"; a Remote is one of them as seen from here. Requests and replies are pickled
over a socket pair. What the child prints goes to a temporary file; its last line explains a crash.
"""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from localtune.errors import LocaltuneError

P = ParamSpec("P")
R = TypeVar("R")
PARENT_CHECK_SECONDS = 0.5
# No backtrace from ggml: it would start a debugger, and its reason stands above the backtrace.
CHILD_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1"}


class ProcessEndedError(LocaltuneError):
    """A child process ended before it replied. `killed`: by SIGKILL, as when memory runs out."""

    def __init__(self, code: int, last_line: str) -> None:
        self.killed = code == -signal.SIGKILL
        super().__init__(describe_exit(code, last_line))


def describe_exit(code: int, last_line: str = "") -> str:
    """Return the reason of an exit status in words, such as "Aborted: GGML_ASSERT(x) failed"."""
    reason = (signal.strsignal(-code) or f"signal {-code}") if code < 0 else f"exit status {code}"
    return f"{reason}: {last_line}" if last_line else reason


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of localtune.

    -P keeps Python from importing modules of the current folder, which may be a build folder or
    documents from somebody else.
    """
    return [sys.executable, "-P", "-m", module]


def module_environment() -> dict[str, str]:
    """Return this process's environment with this very localtune first in PYTHONPATH.

    Empty entries are dropped: Python reads them as the current folder.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(Path(__file__).parents[2]), *filter(None, others)]
    return {**os.environ, **CHILD_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}


class Worker:
    """A child process that holds objects and calls functions. Used by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._dropped = deque[int]()
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        with theirs:
            self._process = subprocess.Popen(
                [
                    *module_command("localtune.machine.processes"),
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=module_environment(),
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_id(self) -> int:
        """Return the child's process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the child can be asked."""
        return not self._connection.closed and self._process.poll() is None

    def close(self) -> None:
        """End the child with all that it holds."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._log.close()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function of a module in the child. Raises as `request` does."""
        result: R = self.request("call", function, args, kwargs)
        return result

    def request(self, *message: Any) -> Any:
        """Send a request and return the reply.

        Raises the LocaltuneError that was raised there, ProcessEndedError where the child ends.
        Whatever interrupts the wait ends the child: its reply would answer the next request.
        """
        with self.lock:
            try:
                self._connection.send((list(self._taken_drops()), message))
                succeeded, value = self._connection.recv()
            except (EOFError, OSError) as error:
                raise self._ended() from error
            except BaseException:
                self.close()
                raise
        if not succeeded:
            raise value
        return value

    def drop(self, handle: int) -> None:
        """Let the child free an object: now, or with the next request if one is running.

        It is called by the garbage collector, which may run in the middle of a request.
        """
        self._dropped.append(handle)
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self.is_alive:
                self._connection.send((list(self._taken_drops()), ()))
        except OSError:  # it has just ended, and its objects with it
            pass
        finally:
            self.lock.release()

    def _taken_drops(self) -> list[int]:
        return [self._dropped.popleft() for _ in range(len(self._dropped))]

    def _ended(self) -> ProcessEndedError:
        code = self._process.wait()
        if self._log.closed:  # another thread has reported why
            return ProcessEndedError(code, "")
        self._log.seek(0)
        last_line = self._log.read().strip().rpartition("\n")[2]
        self.close()
        return ProcessEndedError(code, last_line)


class Remote:
    """An object in the shared child process, made there again after a crash.

    A call that ends the child is repeated once in a new one, unless the child was killed: what
    needs too much memory would need it again. So only what can be repeated may be called.
    """

    _worker: Worker | None = None
    _starting = threading.Lock()

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        """Make an object of the class `kind` ("package.module:Class"). Raises as `call` does."""
        self._made_from = (kind, args, kwargs)
        self._handles: dict[Worker, int] = {}
        self._repeat(self._handle)

    @classmethod
    def worker(cls) -> Worker:
        """Return the child that all remote objects share; a new one where it has ended."""
        with cls._starting:
            if cls._worker is None or not cls._worker.is_alive:
                cls._worker = Worker()
            return cls._worker

    @classmethod
    def end_worker(cls) -> None:
        """End the shared child and free its memory; the next request starts another."""
        with cls._starting:
            if cls._worker:
                cls._worker.close()
                cls._worker = None

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method in the child. Raises LocaltuneErrors of it and ProcessEndedError."""
        return self._repeat(
            lambda worker: worker.request("method", self._handle(worker), method, args, kwargs)
        )

    def _repeat(self, act: Callable[[Worker], R]) -> R:
        try:
            return act(self.worker())
        except ProcessEndedError as error:
            if error.killed:
                raise
        return act(self.worker())

    def _handle(self, worker: Worker) -> int:
        if worker not in self._handles:
            handle = int(worker.request("make", *self._made_from))
            self._handles = {worker: handle}
            weakref.finalize(self, worker.drop, handle)
        return self._handles[worker]


def _make(objects: dict[int, Any], kind: str, args: Any, kwargs: Any) -> int:
    module, _, name = kind.partition(":")
    handle = max(objects, default=0) + 1
    objects[handle] = getattr(importlib.import_module(module), name)(*args, **kwargs)
    return handle


def _answer(objects: dict[int, Any], what: str, *rest: Any) -> Any:
    if what == "make":
        return _make(objects, *rest)
    if what == "method":
        handle, name, args, kwargs = rest
        return getattr(objects[handle], name)(*args, **kwargs)
    function, args, kwargs = rest
    return function(*args, **kwargs)


def serve(connection: Connection) -> None:
    """Answer requests until the other side closes the connection."""
    objects: dict[int, Any] = {}
    while True:
        try:
            drops, message = connection.recv()
        except EOFError:
            return
        for handle in drops:
            objects.pop(handle, None)
        if not message:
            continue
        try:
            reply = (True, _answer(objects, *message))
        except LocaltuneError as error:
            reply = (False, error)
        connection.send(reply)
        del reply, message  # an error's traceback holds what raised it


def _end_with_parent(parent: int) -> None:
    """End this process once its parent is gone: C code that runs can't be told."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def main() -> None:
    """Serve the parent. Ctrl-C in the terminal is the parent's affair, which then ends this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket_number, parent = map(int, sys.argv[1:])
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    serve(Connection(socket_number))


if __name__ == "__main__":
    main()
