"""A build's shipped file behind an OpenAI-compatible API: which server, where, and how it ends."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localtune.build.models import files_of
from localtune.build.open_build import open_build, shipped
from localtune.deploy.address import check_free, is_loopback, local_url
from localtune.errors import ConfigError, RuntimeFileError
from localtune.llama.server_command import PROGRAM, context_for, llama_command
from localtune.machine.child import started
from localtune.machine.cores import llama_threads
from localtune.machine.processes import Remote, describe_exit, module_command, module_environment

KEY = "LOCALTUNE_API_KEY"
UNUSUAL = re.compile(r'[^!-~]|[,"]')  # llama-server takes a list of keys, with quotation marks
TOLD = 3  # lines of a failed server's output that a person is told
MAX_LINE = 300  # characters of such a line; llama.cpp prints whole grammars
MAX_RESTARTS, RESTART_SECONDS = 3, 60  # of a server that crashes


@dataclass(frozen=True)
class Serving:
    """What is asked of a server. `context` is in tokens, a request; 0 chooses."""

    host: str = "127.0.0.1"
    port: int = 8000
    context: int = 0
    parallel: int = 1
    key: str = ""

    @property
    def url(self) -> str:
        """Return where it is reached from this machine."""
        return local_url(self.host, self.port)


def serve(folder: Path, level: str, asked: Serving, say: Callable[[str], None]) -> None:
    """Serve a build's file until Ctrl-C; `say` is given one line at a time.

    Raises InputError, ConfigError and RuntimeFileError, all but the last before anything is loaded.
    """
    build = open_build(folder)
    gguf, program = shipped(build, level), llama_server(asked.key, say)
    check(asked, program)
    model, adapter = files_of(build, gguf)
    command = server_command(model, build.at.name, asked, program, adapter)
    if not asked.key and not is_loopback(asked.host):
        say(
            f"Warning: everyone who reaches {asked.host} can ask this model: no key is set ({KEY})."
        )
    with suppress(KeyboardInterrupt):  # how a server is meant to end
        _keep_running(command, asked, ready(build.at.name, gguf, asked, program), say)


def llama_server(key: str, say: Callable[[str], None]) -> str | None:
    """Return the path of llama-server if it may be used, None otherwise.

    It doesn't look at the Host and Origin of a request, so without a key every web page that is
    open in a browser could ask it and, with DNS rebinding, read the answers.
    """
    found = shutil.which(PROGRAM)
    if found and not key:
        say(f"{PROGRAM} is not used without an API key: any web page could call it. Set {KEY}.")
    return found if key else None


def _keep_running(
    command: list[str], asked: Serving, lines: list[str], say: Callable[[str], None]
) -> None:
    """Run a server and start it again when it crashes.

    Raises RuntimeFileError where it ends by itself, or crashes more than MAX_RESTARTS times within
    RESTART_SECONDS.
    """
    restarts = deque[float](maxlen=MAX_RESTARTS)
    while True:
        with _running(command, asked.key) as (server, heard):
            _wait_until_ready(server, asked, heard)
            for line in lines:
                say(line)
            server.wait()
        now = time.monotonic()
        often = len(restarts) == MAX_RESTARTS and now - restarts[0] < RESTART_SECONDS
        if often or not _crashed(server):
            raise _ended(server, heard)
        restarts.append(now)
        words = heard.last_words()
        reason = describe_exit(server.returncode) + (f"; it printed: {words}" if words else "")
        say(f"Warning: the server crashed ({reason}). It is being restarted.")
        lines = [f"The server is running again at {asked.url}/v1."]


@contextmanager
def _running(command: list[str], key: str) -> Iterator[tuple[subprocess.Popen[bytes], _Output]]:
    """Start a server and end it with the context."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with started(command, env=environment(key), **pipes) as server:
        yield server, _Output(server)


def _crashed(server: subprocess.Popen[bytes]) -> bool:
    """Whether a signal ended a server that nobody sends to end a program."""
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return server.returncode < 0 and -server.returncode not in wanted


def check(asked: Serving, program: str | None) -> None:
    """Refuse what a server couldn't do. Raises ConfigError, RuntimeFileError."""
    if UNUSUAL.search(asked.key):
        raise ConfigError(
            "The API key holds a space, comma, quotation mark or other unusual character.",
            "Choose one of letters and digits.",
        )
    if asked.parallel > 1 and not program:
        raise ConfigError(
            f"--parallel is {asked.parallel}, but without {PROGRAM} one request is answered at a "
            "time, and others wait.",
            f"Put llama.cpp's {PROGRAM} on your PATH and set {KEY}, or leave --parallel away.",
        )
    needed = ("uvicorn", "fastapi", "starlette_context")
    if not program and not all(map(importlib.util.find_spec, needed)):
        raise RuntimeFileError(
            "The server's libraries are not installed.", 'pip install "llama-cpp-python[server]"'
        )
    check_free(asked.host, asked.port)


def server_command(
    gguf: Path, name: str, asked: Serving, program: str | None, adapter: Path | None = None
) -> list[str]:
    """Return the command that serves a file, or an adapter upon it.

    Raises ConfigError, RuntimeFileError.
    """
    from localtune.llama.llama import read_header  # once there is a file to load

    header = read_header(gguf)
    Remote.end_worker()  # the server is a process of its own
    if adapter and not header.template:
        raise ConfigError(
            f"The base {gguf.name} has no chat template, which a server would need.",
            "Build without --adapter-only: a merged model has the one it was trained with.",
        )
    upon = ["--lora", str(adapter)] if adapter else []
    context = context_for(asked.context, header.context)
    where = ["--host", asked.host]
    if program:
        # llama-server divides its context among the requests that it answers at once.
        command = llama_command(gguf, name, asked.port, context * asked.parallel)
        threads = str(llama_threads(header.parameters))
        sizes = ["--parallel", str(asked.parallel), "--threads", threads]
        return [program, *command[1:], *where, *sizes, *upon]
    command = [*module_command("localtune.llama.openai_server"), "--model", str(gguf)]
    named = ["--alias", name, "--port", str(asked.port), "--ctx-size", str(context)]
    return [*command, *named, *where, *upon]


def environment(key: str) -> dict[str, str]:
    """Return a server's environment, which holds the key: a command line shows in `ps`."""
    # A debugger that prints a crash's stack would hold the process for seconds.
    found = module_environment()
    found.pop("LLAMA_API_KEY", None)
    return {**found, "LLAMA_API_KEY": key} if key else found


def ready(name: str, gguf: Path, asked: Serving, program: str | None) -> list[str]:
    """Return what a person is told of a server that answers: where, how, and a line to copy."""
    by = f"by {PROGRAM}, " if program else ""
    how = f"{asked.parallel} requests at once" if asked.parallel > 1 else "one request at a time"
    key = f' -H "Authorization: Bearer ${KEY}"' if asked.key else ""
    body = {"model": name, "messages": [{"role": "user", "content": "your question"}]}
    return [
        f"{name} ({gguf.name}) answers at {asked.url}/v1, {by}{how}. Ctrl-C ends it.",
        f"curl {asked.url}/v1/chat/completions -H 'Content-Type: application/json'{key} "
        f"-d '{json.dumps(body)}'",
    ]


class _Output:
    """What a server says: read, so that it never waits for a reader, and its last lines kept."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server, self._last = server, deque[str](maxlen=TOLD)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._server.stdout
        for line in self._server.stdout:
            if text := line.decode("utf-8", "replace").strip():
                self._last.append(text[:MAX_LINE])

    def last_words(self) -> str:
        """Return the last lines of a server that has ended, as one."""
        self._reader.join(1)
        return " / ".join(self._last)


def _wait_until_ready(server: subprocess.Popen[bytes], asked: Serving, heard: _Output) -> None:
    """Return once the model is loaded. Raises RuntimeFileError where the server ends before."""
    while not _is_ready(asked):
        if server.poll() is not None:
            raise _ended(server, heard)
        time.sleep(0.05)


def _is_ready(asked: Serving) -> bool:
    host = asked.url.removeprefix("http://").rpartition(":")[0].strip("[]")
    connection = http.client.HTTPConnection(host, asked.port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ended(server: subprocess.Popen[bytes], heard: _Output) -> RuntimeFileError:
    return RuntimeFileError(
        f"The server ended with code {server.returncode}. Its last output: {heard.last_words()}",
        "A smaller --context needs less memory; if another program took the port, choose --port.",
    )
