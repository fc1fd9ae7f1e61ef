"""`localtune serve` with its real servers, asked by OpenAI's own client."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import openai
import pytest

import localtune
from localtune.deploy.talk import answer

pytest_plugins = ["office_build"]
QUESTIONS = ("Who keeps the keys?", "When does the workshop open?", "Größe? 'quoted' \"twice\"")
PROMPT = "<|im_start|>user\nWho keeps the keys?<|im_end|>\n<|im_start|>assistant\n"
LLAMA_SERVER = shutil.which("llama-server")
SERVERS = [
    "llama-cpp-python",
    pytest.param(
        "llama-server",
        marks=pytest.mark.skipif(not LLAMA_SERVER, reason="llama-server is not on PATH"),
    ),
]


@dataclass
class Running:
    """A server that is ready: its process, its port, and what it said."""

    process: subprocess.Popen[str]
    port: int
    said: list[str]

    def client(self, key: str = "none") -> openai.OpenAI:
        url = f"http://127.0.0.1:{self.port}/v1"
        return openai.OpenAI(base_url=url, api_key=key, timeout=60, max_retries=0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(server: str, **more: str) -> dict[str, str]:
    """Return an environment whose PATH has llama-server or hasn't."""
    path = os.environ["PATH"].split(os.pathsep)
    if server != "llama-server":
        path = [folder for folder in path if not (Path(folder) / "llama-server").exists()]
    return {**os.environ, "PATH": os.pathsep.join(path), **more}


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "localtune", "serve", *map(str, args)]


@contextmanager
def serving(build: Path, server: str, *options: str, key: str = "") -> Iterator[Running]:
    """Run the command until it says that it is ready; end it with SIGTERM."""
    port = free_port()
    process = subprocess.Popen(
        command(build, "--port", str(port), *options),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(server, LOCALTUNE_API_KEY=key),
        start_new_session=True,
    )
    watchdog = Thread(target=lambda: time.sleep(120) or process.kill(), daemon=True)
    watchdog.start()
    try:
        assert process.stderr
        said: list[str] = []
        while not any(line.startswith("curl") for line in said):
            line = process.stderr.readline()
            assert line, (process.wait(), said)
            said.append(line.strip())
        yield Running(process, port, said)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, office: Path) -> Iterator[Running]:
    """A server with a key that may answer two at once where it can."""
    options = ["--parallel", "2"] if request.param == "llama-server" else []
    with serving(office, request.param, *options, key="right-key") as running:
        yield running


def asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("settings", [{}, {"temperature": 0}], ids=["as it is", "greedy"])
def test_answers_are_those_of_ask(
    server: Running, office: Path, question: str, settings: dict[str, float]
) -> None:
    said = server.client("right-key").chat.completions.create(
        model="whatever", messages=asked(question), max_tokens=256, **settings
    )
    assert said.choices[0].message.content.strip() == answer(office, question)[1]
    assert said.model == "office" and said.choices[0].finish_reason == "stop"


def test_streams_and_completions_say_the_same(server: Running, office: Path) -> None:
    client, wanted = server.client("right-key"), answer(office, QUESTIONS[0])[1]
    parts = list(
        client.chat.completions.create(
            model="office", messages=asked(QUESTIONS[0]), max_completion_tokens=100, stream=True
        )
    )
    text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert len(parts) > 3 and text.strip() == wanted
    assert {part.model for part in parts} == {"office"}
    plain = client.completions.create(model="office", prompt=PROMPT, max_tokens=100)
    assert plain.choices[0].text.strip() == wanted and plain.model == "office"
    pieces = client.completions.create(model="x", prompt=PROMPT, max_tokens=100, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces).strip() == wanted


def test_the_models_name_is_the_builds(server: Running) -> None:
    assert [model.id for model in server.client("right-key").models.list()] == ["office"]


@pytest.mark.parametrize("key", ["wrong", "right-key "])
def test_a_wrong_key_is_refused_and_the_right_one_shows_nowhere(server: Running, key: str) -> None:
    for ask in (
        lambda: server.client(key).chat.completions.create(model="office", messages=asked("Who?")),
        lambda: server.client(key).completions.create(model="office", prompt="Who"),
    ):
        with pytest.raises((openai.AuthenticationError, openai.APIConnectionError)) as refused:
            ask()
        assert getattr(refused.value, "status_code", 401) == 401
    shown = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True)
    assert "right-key" not in shown.stdout and "right-key" not in "".join(server.said)


def test_a_second_request_neither_fails_nor_cuts_off_the_first(
    server: Running, office: Path
) -> None:
    client, wanted = server.client("right-key"), answer(office, QUESTIONS[0])[1]
    stream = client.chat.completions.create(
        model="office", messages=asked(QUESTIONS[0]), stream=True
    )
    first, second = [next(iter(stream))], list[str]()

    def ask() -> None:
        said = client.chat.completions.create(model="office", messages=asked(QUESTIONS[0]))
        second.append(said.choices[0].message.content)

    other = Thread(target=ask)
    other.start()
    first.extend(stream)
    other.join(60)
    assert "".join(part.choices[0].delta.content or "" for part in first if part.choices) == wanted
    assert second == [wanted]


def test_what_does_not_fit_is_an_error_of_the_client(server: Running) -> None:
    with pytest.raises(openai.BadRequestError):
        server.client("right-key").chat.completions.create(
            model="office", messages=asked("word " * 3000)
        )


def test_the_line_to_copy_works(office: Path) -> None:
    with serving(office, "llama-cpp-python") as running:
        line = next(line for line in running.said if line.startswith("curl"))
        assert any("office-Q4_K_M.gguf" in line and "/v1" in line for line in running.said)
        _, url, *_, body = shlex.split(line)
        assert url == f"http://127.0.0.1:{running.port}/v1/chat/completions"
        assert json.loads(body)["model"] == "office"
        if shutil.which("curl"):
            said = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60)
            assert json.loads(said.stdout)["model"] == "office"


def children(parent: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in shown.stdout.splitlines())
    return [int(child) for child, above in pairs if int(above) == parent]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_its_end_leaves_no_child(office: Path, server: str, number: signal.Signals) -> None:
    with serving(office, server, "--level", "Q8_0", key="k") as running:
        (child,) = children(running.process.pid)
        # A terminal's Ctrl-C reaches the whole group, a SIGTERM the command alone.
        reach = os.kill if number == signal.SIGTERM else os.killpg
        reach(running.process.pid, number)
        assert running.process.wait(20) == (143 if number == signal.SIGTERM else 0)
        assert not Path(f"/proc/{child}").exists()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", running.port)) != 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("server", SERVERS)
def test_being_killed_leaves_no_child(office: Path, server: str) -> None:
    with serving(office, server, "--level", "Q8_0", key="k") as running:
        running.process.kill()
        running.process.wait(20)
        ended = time.monotonic() + 20
        with pytest.raises(ConnectionRefusedError):
            while time.monotonic() < ended:
                socket.create_connection(("127.0.0.1", running.port), 1).close()
                time.sleep(0.05)


def test_pages_from_elsewhere_cannot_read_without_a_key(office: Path) -> None:
    body = json.dumps({"model": "office", "messages": asked(QUESTIONS[0])})
    with serving(office, "llama-cpp-python") as running:
        for origin, readable in (("https://example.org", False), ("http://localhost:3000", True)):
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
            sent = {"Origin": origin, "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, sent)
            answered = connection.getresponse()
            allowed = answered.getheader("Access-Control-Allow-Origin") in (origin, "*")
            assert (allowed and answered.status == 200) == readable
            connection.close()


def child_of(running: Running) -> int:
    """Wait for the server's process, which a crash may just have ended."""
    for _ in range(600):
        if found := children(running.process.pid):
            return found[0]
        time.sleep(0.05)
    raise AssertionError("no server was started")


def read_until(running: Running, part: str) -> None:
    assert running.process.stderr
    line = running.process.stderr.readline()
    while line and part not in line:
        running.said.append(line.strip())
        line = running.process.stderr.readline()
    assert line, running.said


def test_a_server_that_crashes_is_restarted_three_times_in_a_minute(office: Path) -> None:
    with serving(office, "llama-cpp-python", "--level", "Q8_0") as running:
        for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV):
            os.kill(child_of(running), number)
            read_until(running, "running again")
            assert f"crashed ({signal.strsignal(number)}" in running.said[-1]
            answered = running.client().chat.completions.create(
                model="office", messages=asked(QUESTIONS[0])
            )
            assert answered.choices[0].message.content
        os.kill(child_of(running), signal.SIGKILL)
        said = running.process.communicate(timeout=20)[1]
        assert running.process.returncode == 1 and "ended with code -9" in said


def test_a_server_that_is_told_to_end_is_not_restarted(office: Path) -> None:
    with serving(office, "llama-cpp-python", "--level", "Q8_0") as running:
        os.kill(child_of(running), signal.SIGTERM)
        said = running.process.communicate(timeout=20)[1]
        assert running.process.returncode == 1 and "restarted" not in said


HOSTILE = "import pathlib\npathlib.Path({!r}).touch()\n"


def test_modules_in_the_current_folder_are_not_run(office: Path, tmp_path: Path) -> None:
    marker = tmp_path / "was-run"
    (tmp_path / "here").mkdir()
    for module in ("uvicorn", "starlette", "llama_cpp", "jinja2", "numpy"):
        (tmp_path / "here" / f"{module}.py").write_text(HOSTILE.format(str(marker)))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-P", *command(office, "--port", str(port))[1:]],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path / "here",
        env=environment("llama-cpp-python", PYTHONPATH=str(Path(localtune.__file__).parents[1])),
    )
    try:
        assert process.stderr
        line = process.stderr.readline()
        assert "answers at" in line, line + process.stderr.read()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert not marker.exists()


STAND_IN = """#!{python}
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(os.environ.get("LLAMA_API_KEY")).encode())
    def log_message(self, *args):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.mark.parametrize("key", ["", "right-key"])
def test_llama_server_is_only_started_with_a_key(
    office: Path, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for llama-server prints the key that it was given."""
    program = tmp_path / "llama-server"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with serving(office, "llama-server", key=key) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        connection.request("GET", "/health")
        answered = json.loads(connection.getresponse().read())
    assert answered == (key or {"status": "ok"})
    assert ("not used without an API key" in running.said[0]) is (not key)


def refused(build: Path, *options: str, server: str = "llama-cpp-python") -> str:
    done = subprocess.run(
        command(build, *options),
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(server),
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert re.search(r"^Error: .+\nHint: .+\n\Z", done.stderr, re.M), done.stderr
    return done.stderr


def test_where_it_cannot_listen_is_said_before_anything_is_loaded(office: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in refused(office, "--port", str(port))
    assert "no.such.host.invalid" in refused(office, "--host", "no.such.host.invalid")
    assert "203.0.113.7" in refused(office, "--host", "203.0.113.7")
    for port in ("0", "65536"):
        done = subprocess.run(command(office, "--port", port), capture_output=True, text=True)
        assert done.returncode == 2 and "65535" in done.stderr


def test_what_cannot_be_done_is_said(office: Path) -> None:
    assert "512" in refused(office, "--context", "4096", "--port", str(free_port()))
    assert "llama-server" in refused(office, "--parallel", "2", "--port", str(free_port()))
    assert "key" in refused(office, "--api-key", "a b", "--port", str(free_port()))
    assert "Q5_K_M" in refused(office, "--level", "Q5_K_M")


def test_an_address_for_others_without_a_key_is_warned_of(office: Path) -> None:
    with serving(office, "llama-cpp-python", "--host", "0.0.0.0", "--context", "256") as running:
        assert running.said[0].startswith("Warning:") and "0.0.0.0" in running.said[0]
        assert f"http://127.0.0.1:{running.port}/v1" in running.said[1]
        assert running.client().models.list().data[0].id == "office"
    with serving(office, "llama-cpp-python", "--host", "0.0.0.0", key="k") as running:
        assert "Warning" not in running.said[0]
