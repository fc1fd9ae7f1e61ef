"""Ollama's API as it is spoken over real HTTP: uploads, creation, answers, and what goes wrong."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stand_in_ollama import PIECE, Handler, Row, StandIn

from localtune.build.hashes import Hashes
from localtune.errors import ConfigError, LocaltuneError, ServerError
from localtune.ollama.client import Ollama, Unreachable
from localtune.progress import Bar, Silent

SIZE = 3_500_000
USER = [{"role": "user", "content": "Who keeps the keys?"}]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    made = StandIn(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a model.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * (SIZE // 256))
    return path


def client(server: StandIn, patience: float = 5, tries: int = 3) -> Ollama:
    return Ollama(server.url, patience, (0.01,) * (tries - 1))


def digest(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


class Heard(Silent):
    """Notes what is said and counted."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.bars: list[tuple[str, int, int]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        counted = Counted()
        yield counted
        self.bars.append((label, total, counted.done))


class Counted(Bar):
    done = 0

    def advance(self, n: int = 1, detail: str = "") -> None:
        self.done += n


def test_a_file_is_uploaded_once_and_counted(server: StandIn, file: Path) -> None:
    heard = Heard()
    with client(server) as ollama:
        assert ollama.upload(file, digest(file), heard)
        assert server.blob(digest(file)).read_bytes() == file.read_bytes()
        assert heard.bars == [("upload (MB)", 3, 3)]
        assert not ollama.upload(file, digest(file), heard)
    assert server.uploads() == 1 and server.received == file.stat().st_size


def test_a_large_file_is_never_in_memory(server: StandIn, tmp_path: Path) -> None:
    huge = tmp_path / "huge.gguf"
    huge.touch()
    os.truncate(huge, 200 << 20)
    wanted = Hashes().file(huge)
    tracemalloc.start()
    with client(server) as ollama:
        assert ollama.upload(huge, f"sha256:{wanted}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20, peak


def drop(handler: Handler) -> bool:
    """Take one piece of an upload and die."""
    handler.rfile.read(PIECE)
    handler.reset()
    return True


def hang_up(handler: Handler) -> bool:
    """Close the connection without a word."""
    return True


def lose_the_answer(handler: Handler) -> bool:
    """Take the whole file and die before it is said."""
    whole = handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.owner.blob(handler.path.rpartition("/")[2]).write_bytes(whole)
    handler.reset()
    return True


def be_away(handler: Handler) -> bool:
    handler.say(503)
    return True


@pytest.mark.parametrize("accident", [drop, hang_up, be_away])
def test_an_upload_that_breaks_off_is_tried_again(
    server: StandIn, file: Path, accident: object
) -> None:
    heard = Heard()
    server.accidents["POST /api/blobs"] = [accident] * 2  # type: ignore[list-item]
    with client(server) as ollama:
        assert ollama.upload(file, digest(file), heard)
    assert server.uploads() == 3 and len(heard.notes) == 2
    assert server.blob(digest(file)).exists()


@pytest.mark.parametrize("accident", [drop, hang_up, be_away])
def test_an_upload_that_always_breaks_off_is_given_up(
    server: StandIn, file: Path, accident: object
) -> None:
    server.accidents["POST /api/blobs"] = [accident] * 9  # type: ignore[list-item]
    with client(server) as ollama, pytest.raises(ServerError, match="broke off 3 times") as raised:
        ollama.upload(file, digest(file))
    assert server.uploads() == 3 and "again" in raised.value.hint


def test_an_upload_whose_answer_was_lost_is_not_sent_again(server: StandIn, file: Path) -> None:
    server.accidents["POST /api/blobs"] = [lose_the_answer]
    with client(server) as ollama:
        assert not ollama.upload(file, digest(file))
    assert server.uploads() == 1


def test_a_server_that_dies_in_mid_upload(server: StandIn, file: Path) -> None:
    def die(handler: Handler) -> bool:
        threading.Thread(target=server.close).start()
        time.sleep(0.2)
        return drop(handler)

    server.accidents["POST /api/blobs"] = [die]
    with client(server) as ollama, pytest.raises(Unreachable, match=r"3 times\. No Ollama"):
        ollama.upload(file, digest(file))


def test_a_file_that_changed_meanwhile(server: StandIn, file: Path) -> None:
    wanted = digest(file)
    file.write_bytes(b"other")
    with client(server) as ollama, pytest.raises(ServerError, match="isn't the file") as raised:
        ollama.upload(file, wanted)
    assert "digest mismatch" in raised.value.message and not list(server.store.rglob("*.partial"))


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (500, "write /models/blobs: no space left on device", "disk is full"),
        (403, "no", r"refused: no \(HTTP 403\)"),
    ],
)
def test_an_upload_that_is_refused_is_not_tried_again(
    server: StandIn, file: Path, status: int, text: str, said: str
) -> None:
    def refuse(handler: Handler) -> bool:
        handler.say(status, {"error": text})
        return True

    server.accidents["POST /api/blobs"] = [refuse]
    with client(server) as ollama, pytest.raises(ServerError, match=said):
        ollama.upload(file, digest(file))
    assert server.uploads() == 1


def test_a_proxy_that_takes_no_large_file(server: StandIn, file: Path) -> None:
    def refuse(handler: Handler) -> bool:
        handler.send_response(413, "Request Entity Too Large")
        handler.send_header("Content-Length", "13")
        handler.end_headers()
        handler.wfile.write(b"<html></html>")
        return True

    server.accidents["POST /api/blobs"] = [refuse]
    with client(server) as ollama, pytest.raises(ServerError, match="no file as large"):
        ollama.upload(file, digest(file))


def silent(handler: Handler) -> bool:
    time.sleep(1)
    return True


@pytest.mark.parametrize("line", ["GET /api/version", "GET /api/tags"])
def test_a_server_that_says_nothing(server: StandIn, line: str) -> None:
    server.accidents[line] = [silent]
    with client(server, patience=0.1) as ollama, pytest.raises(Unreachable, match=r"0\.1 s"):
        ollama.version() if "version" in line else ollama.models()


def test_steps_that_come_slowly_are_waited_for(server: StandIn) -> None:
    def slowly(handler: Handler) -> bool:
        handler.read_body()
        steps = [*("parsing GGUF", "parsing GGUF", "using existing layer sha256:0"), "success"]
        handler.say_lines([{"status": step} for step in steps], pause=0.15)
        return True

    server.accidents["POST /api/create"] = [slowly]
    heard = Heard()
    with client(server, patience=0.4) as ollama:
        ollama.create({"model": "x"}, heard)
    assert heard.notes == ["parsing GGUF"]


def with_lines(*rows: Row) -> object:
    def say(handler: Handler) -> bool:
        handler.read_body()
        handler.say_lines(list(rows))
        return True

    return say


START = {"status": "parsing GGUF"}
UNKNOWN = "failed to validate GGUF with llama-quantize: exit status 1"
SENTENCES = {
    UNKNOWN: "could not copy the file into its store",
    'unsupported architecture "xyz"': "doesn't know the model's architecture",
    'template error: template: :1: function "x" not defined': "refuses the TEMPLATE",
    "invalid model name": "refuses the name",
    "LoRA adapters are no longer supported: a.gguf is a LoRA adapter": "takes no adapters",
    "write blob: no space left on device": "disk is full",
    "something new": r"refused: something new[. ]",
}


@pytest.mark.parametrize(("text", "said"), SENTENCES.items())
def test_an_error_in_mid_stream_under_http_200(server: StandIn, text: str, said: str) -> None:
    server.accidents["POST /api/create"] = [with_lines(START, {"error": text})]  # type: ignore[list-item]
    with client(server) as ollama, pytest.raises(ServerError, match=said) as raised:
        ollama.create({"model": "x"})
    assert raised.value.hint and text in raised.value.message
    assert "HTTP 200" not in raised.value.message, "the status of what came before the error"


@pytest.mark.parametrize(("text", "said"), SENTENCES.items())
def test_the_same_error_with_its_status(server: StandIn, text: str, said: str) -> None:
    def refuse(handler: Handler) -> bool:
        handler.read_body()
        handler.say(500, {"error": text})
        return True

    server.accidents["POST /api/create"] = [refuse]
    with client(server) as ollama, pytest.raises(ServerError, match=said) as raised:
        ollama.create({"model": "x"})
    assert (text == "something new") == ("(HTTP 500)" in raised.value.message)


def test_what_ollama_says_of_a_full_disk_too_is_given_both_causes(server: StandIn) -> None:
    server.accidents["POST /api/create"] = [with_lines(START, {"error": UNKNOWN})]  # type: ignore[list-item]
    with client(server) as ollama, pytest.raises(ServerError) as raised:
        ollama.create({"model": "x"})
    assert "architecture" not in raised.value.message
    assert "disk is full" in raised.value.hint and "architecture" in raised.value.hint


def test_a_stream_without_an_end(server: StandIn) -> None:
    def cut(handler: Handler) -> bool:
        handler.read_body()
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b'18\r\n{"status":"parsing GGUF"}\n')
        handler.wfile.flush()
        handler.reset()
        return True

    server.accidents["POST /api/create"] = [with_lines(START), cut]  # type: ignore[list-item]
    with client(server) as ollama:
        with pytest.raises(ServerError, match="last word was 'parsing GGUF'"):
            ollama.create({"model": "x"})
        with pytest.raises(Unreachable, match="broke off"):
            ollama.create({"model": "x"})


def test_text_of_any_kind_arrives(server: StandIn) -> None:
    text = 'quote " and """ \u00a0\u200d\u2028 {{ x }} \x07 😀 \ud800'
    server.blob("sha256:00").write_bytes(b"")
    request = {"model": "x:y", "files": {"a.gguf": "sha256:00"}, "system": text}
    with client(server) as ollama:
        ollama.create(request)
    assert server.models["x:y"] == request


def chat(server: StandIn, *replies: tuple[int, Row]) -> str:
    """Ask a question that is answered so."""
    server.keep("x:latest", {})

    def say(handler: Handler) -> bool:
        handler.read_body()
        handler.say(*replies[0])
        return True

    if replies:
        server.accidents["POST /api/chat"] = [say]
    with client(server) as ollama:
        return ollama.chat("x:latest", USER, {"temperature": 0})


def test_a_question_is_answered(server: StandIn) -> None:
    assert chat(server) == "Ruben Okafor."
    (asked,) = server.bodies["/api/chat"]
    assert asked["messages"] == USER and asked["options"] == {"temperature": 0}
    assert asked["stream"] is False


DIED = "llama-server process has terminated: exit status 1"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, {"message": {"role": "assistant", "content": ""}, "done": False}), "done:false"),
        ((200, {}), "done:false"),
        ((200, {"error": "something"}), "refused: something"),
        ((500, {"error": DIED}), "can't run it"),
        ((500, {"error": "model requires more system memory (9 GiB)"}), "doesn't fit into"),
        ((404, {"error": "model 'x:latest' not found"}), "not found"),
    ],
)
def test_an_answer_that_is_none(server: StandIn, reply: tuple[int, Row], said: str) -> None:
    with pytest.raises(ServerError, match=said) as raised:
        chat(server, reply)
    assert raised.value.hint


def test_prompts_are_shown_by_newer_servers_only(server: StandIn) -> None:
    server.keep("x:latest", {"system": "Be kind."})
    with client(server) as ollama:
        shown = ollama.prompt("x:latest", USER)
        assert shown and shown.startswith("<|im_start|>system\nBe kind.<|im_end|>\n")
        server.shows_prompts = False
        assert ollama.prompt("x:latest", USER) is None
    assert server.bodies["/api/chat"][1]["options"] == {"num_predict": 1}


def test_models_are_listed_and_deleted(server: StandIn) -> None:
    server.keep("x:latest", {})
    with client(server) as ollama:
        assert ollama.models() == ["x:latest"]
        ollama.delete("x:latest")
        assert ollama.models() == []
        with pytest.raises(ServerError, match="not found"):
            ollama.delete("x:latest")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_server() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Ollama(url) as ollama, pytest.raises(Unreachable, match=f"No Ollama answers at {url}"):
        ollama.version()


@pytest.mark.parametrize("url", ["http://[zz]:1", "http://a\x01:1", "http://☃..x:1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        Ollama(url)


@pytest.mark.parametrize("host", ["a b", "x" * 300])
def test_a_host_that_no_one_has(host: str) -> None:
    with Ollama(f"http://{host}:1", 5) as ollama, pytest.raises(Unreachable, match="No Ollama"):
        ollama.version()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with client(server) as ollama:
        assert ollama.version() == "0.33.0"


@pytest.mark.parametrize(
    ("status", "body"), [(200, {"status": "ok"}), (404, None), (200, {"version": 1}), (301, None)]
)
def test_something_else_that_answers_there(server: StandIn, status: int, body: Row | None) -> None:
    def say(handler: Handler) -> bool:
        handler.say(status, body)
        return True

    server.accidents["GET /api/version"] = [say]
    with client(server) as ollama, pytest.raises(ServerError, match="isn't Ollama") as raised:
        ollama.version()
    assert str(status) in raised.value.message


def test_something_that_speaks_no_http() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def greet() -> None:
            other, _ = listening.accept()
            with other:
                other.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                other.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with Ollama(url, 5) as ollama, pytest.raises(LocaltuneError, match="broke off"):
            ollama.version()
