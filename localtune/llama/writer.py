"""A GGUF that writes texts. Knows no lessons.

llama.cpp runs in the child process of llama.py and continues several texts at once. After a crash
the outstanding requests are asked one by one: one that crashes alone is unusable, and several such
requests in a row end the writing.
"""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

from localtune.errors import LocaltuneError
from localtune.llama.llama import CrashError, Loaded
from localtune.llama.writing import Completion, Request, UnusableError
from localtune.machine.cores import chosen_threads
from localtune.prompts import Message

MAX_CRASHED_REQUESTS = 3  # in a row
SEQUENCES = 32  # texts at once
CELLS_PER_SEQUENCE = 512  # tokens of the cache; what prompts share counts once


class LocalWriter(Loaded):
    """A loaded GGUF; `write` may be called by several threads at once.

    The same seed gives the same text only beside the same other requests: llama.cpp rounds
    differently in batches of other sizes.
    """

    parallel = SEQUENCES

    def __init__(self, gguf: Path, identity: str, context: int = 4096) -> None:
        """Load a file; `context` in tokens, or what it was trained on if less.

        Raises RuntimeFileError.
        """
        cells = SEQUENCES * CELLS_PER_SEQUENCE
        made_from = (SEQUENCES, context, cells, chosen_threads())
        super().__init__("engine_writer:EngineWriter", gguf, *made_from)
        self.identity = identity
        self._numbers = count()
        self._changed = threading.Condition()
        self._outstanding: dict[int, Request] = {}
        self._finished: dict[int, Completion | UnusableError] = {}
        self._suspects: set[int] = set()  # one of them crashed llama.cpp
        self._advancing = False
        self._failure: LocaltuneError | None = None
        self._crashed_requests = 0

    def write(
        self,
        messages: list[Message],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        stop: tuple[str, ...] = (),
        top: int = 0,
    ) -> Completion:
        """Return the answer to a conversation, as Writer says.

        Raises CrashError where llama.cpp crashes at MAX_CRASHED_REQUESTS in a row.
        """
        with self._changed:
            number = next(self._numbers)
            self._outstanding[number] = Request(
                number, tuple(messages), max_tokens, temperature, seed, stop, top
            )
            try:
                while number not in self._finished:
                    if self._failure:
                        raise self._failure
                    if self._advancing:
                        self._changed.wait()
                    else:
                        self._advance()
            finally:
                self._outstanding.pop(number, None)
                if not self._outstanding:  # the next request may succeed
                    self._failure = None
            result = self._finished.pop(number)
        if isinstance(result, UnusableError):
            raise result
        return result

    def _advance(self) -> None:
        """Let the child continue the outstanding requests; other threads wait or add to them."""
        requests = list(self._outstanding.values())
        suspects = [request for request in requests if request.number in self._suspects]
        requests = suspects[:1] or requests
        self._advancing = True
        self._changed.release()
        finished: list[tuple[int, Completion | UnusableError]] = []
        failure: LocaltuneError | None = None
        try:
            finished = self.call("advance", requests)
        except LocaltuneError as error:  # every waiting thread raises it
            failure = error
        finally:
            self._changed.acquire()
            self._advancing = False
            self._changed.notify_all()
        if isinstance(failure, CrashError) and not failure.killed:
            self._after_crash(failure, requests)
        elif failure:
            self._failure = failure
        for number, result in finished:
            self._finish(number, result)
            self._crashed_requests = 0

    def _after_crash(self, error: CrashError, requests: list[Request]) -> None:
        """Ask one request after the other; give up one that crashes alone."""
        if len(requests) > 1:
            self._suspects = {request.number for request in requests}
            return
        self._crashed_requests += 1
        if self._crashed_requests >= MAX_CRASHED_REQUESTS:
            self._failure = error
            return
        self._finish(requests[0].number, UnusableError(error.message, error.hint))

    def _finish(self, number: int, result: Completion | UnusableError) -> None:
        if number in self._outstanding:
            del self._outstanding[number]
            self._finished[number] = result
        self._suspects.discard(number)
