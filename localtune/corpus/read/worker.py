"""A process that reads files for another one: `python -m localtune.corpus.read.worker`.

It takes jobs and gives readings over the connection whose descriptor is its argument. Whatever
goes wrong in it costs one file: it may crash, run out of the memory it is granted, or be killed.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NoReturn

from localtune.corpus.read.archives import members_of, read_file
from localtune.corpus.read.document import read_document
from localtune.corpus.read.reading import Job, Settings
from localtune.errors import UnreadableError


def answer(job: Job, settings: Settings) -> dict[str, Any]:
    """Return a reading, or {"members": [(name, bytes)]} of an archive."""
    try:
        data = read_file(job.root, job.path, job.members, job.most)
        members = members_of(data, job.kind, len(job.members))
    except UnreadableError as error:
        return {"status": "failed", "reason": error.message}
    except OSError as error:
        return {"status": "failed", "reason": error.strerror or "can't be read"}
    if members is not None:
        return {"members": members}
    return read_document(data, job.kind, job.name, settings)


def main() -> NoReturn:
    """Answer jobs until the other end is closed. Arguments: descriptor, megabytes."""
    number, megabytes = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    limit = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    sys.setrecursionlimit(5000)
    connection = Connection(number)  # stays open to the end: `with` would cut off the last words
    sys.excepthook = lambda kind, error, trace: _last_words(connection, error, trace)
    settings = connection.recv()
    connection.send("ready")
    while True:
        try:
            job = connection.recv()
        except EOFError:
            # Libraries' own threads may not end well; nothing of theirs is needed any more.
            os._exit(0)
        connection.send(answer(job, settings))


def _last_words(
    connection: Connection, error: BaseException, trace: TracebackType | None
) -> NoReturn:
    """Tell what a reader of some format died of: a fault in it must not look like success."""
    where = traceback.extract_tb(trace)[-1]
    reason = f"its reader failed: {type(error).__name__} in {where.name}"
    if isinstance(error, MemoryError):
        reason = "needs more memory than one file may take"
    connection.send({"status": "failed", "reason": reason, "last": True})
    os._exit(1)


if __name__ == "__main__":
    main()
