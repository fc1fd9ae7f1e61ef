"""A teacher that answers with bombs, endless bodies and broken JSON, over real sockets."""

from __future__ import annotations

import contextlib
import gzip
import json
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from localtune.errors import ServerError
from localtune.lessons.teacher.requests import pairs_in, questions_in
from localtune.lessons.teacher.server import Teacher
from localtune.llama.writing import UnusableError
from localtune.ollama.reply import MAX_REPLY_BYTES

USER = [{"role": "user", "content": "Who keeps the keys?"}]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
NESTED = b'{"a":' * 50_000 + b"1" + b"}" * 50_000


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def answering(
    pieces: Iterable[bytes], pause: float = 0.0, patience: float = 60.0
) -> Iterator[Teacher]:
    """Run a server that answers every request with these pieces, and yield a client of it."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(1 << 16)
                for piece in pieces:
                    self.request.sendall(piece)
                    time.sleep(pause)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1/"
        teacher = Teacher(url, "m", patience=patience, wait=0.01)
        yield teacher
        teacher.close()
        server.shutdown()


def endless(piece: bytes) -> Iterator[bytes]:
    yield HEAD + b"\r\n"
    while True:
        yield piece


@pytest.mark.parametrize("status", [b"200 OK", b"503 Busy", b"404 Not Found"])
def test_a_compressed_answer_is_only_unpacked_up_to_a_limit(status: bytes) -> None:
    bomb = gzip.compress(b" " * (4 * MAX_REPLY_BYTES))
    head = HEAD.replace(b"200 OK", status) + b"Content-Encoding: gzip\r\n"
    with (
        answering([head + b"Content-Length: %d\r\n\r\n" % len(bomb), bomb]) as teacher,
        pytest.raises(ServerError, match="longer than 16 MB"),
    ):
        teacher.write(USER)


def test_an_endless_answer_is_given_up_at_the_limit() -> None:
    with (
        answering(endless(b" " * (1 << 20))) as teacher,
        pytest.raises(ServerError, match="longer than 16 MB"),
    ):
        teacher.models()


def test_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    with (
        answering(endless(b" "), pause=0.01, patience=2.0) as teacher,
        pytest.raises(ServerError, match="doesn't end"),
    ):
        teacher.write(USER)


def test_json_that_is_nested_too_deeply_is_no_answer() -> None:
    with answering([HEAD + b"Content-Length: %d\r\n\r\n" % len(NESTED), NESTED]) as teacher:
        with pytest.raises(UnusableError, match="no text"):
            teacher.write(USER)
        assert teacher.models() == []


def said(content: object) -> list[bytes]:
    """Return a whole answer with this content."""
    choice = {"message": {"content": content}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice]}).encode()
    return [HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body]


def told(first: object) -> list[bytes]:
    """Return a whole answer whose first token comes with this list of likely ones."""
    tokens = {"content": [{"token": "yes", "top_logprobs": first}]}
    choice = {"message": {"content": "yes"}, "finish_reason": "length", "logprobs": tokens}
    body = json.dumps({"choices": [choice]}).encode()
    return [HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body]


def test_the_likeliest_first_tokens_of_a_server_are_read() -> None:
    first = [{"token": "yes", "logprob": -0.25, "bytes": None}, {"token": " no", "logprob": -3}]
    with answering(told(first)) as teacher:
        assert teacher.write(USER, max_tokens=1, top=2).first == (("yes", -0.25), (" no", -3.0))


@pytest.mark.parametrize(
    "first",
    [None, 7, [None], [{"token": "yes"}], [{"logprob": -1}], [{"token": "a", "logprob": "x"}],
     [{"token": "a", "logprob": float("nan")}], [{"token": "a", "logprob": 1e308}],
     [{"token": "a", "logprob": float("-inf")}], [{"token": "a", "logprob": 10**400}]],
)  # fmt: skip
def test_probabilities_that_are_none_leave_the_text(first: object) -> None:
    with answering(told(first)) as teacher:
        assert teacher.write(USER, max_tokens=1, top=2) == ("yes", False, ())


@pytest.mark.parametrize("content", [None, 7, ["Q: Who?"], {"text": "Q: Who?"}])
def test_content_that_is_no_text_is_one_answer_lost(content: object) -> None:
    with answering(said(content)) as teacher, pytest.raises(UnusableError, match="no text"):
        teacher.write(USER)


@pytest.mark.parametrize(
    "text", [NESTED.decode(), "Q: " * 100_000, "Q: Who?\n" * 100_000, "*_#>- " * 100_000]
)
def test_a_text_without_pairs_is_read_quickly_and_has_none(text: str) -> None:
    with answering(said(text)) as teacher:
        completion = teacher.write(USER)
    began = time.process_time()
    assert list(pairs_in(completion.text)) == []
    list(questions_in(completion.text))
    assert time.process_time() - began < 5


def test_half_a_surrogate_pair_in_an_answer_can_be_stored() -> None:
    with answering(said("Q: Who \ud83d?\nA: Okafor.")) as teacher:
        text = teacher.write(USER).text
    assert text.encode() and list(pairs_in(text)) == [("Who ??", "Okafor.")]


@pytest.mark.parametrize("models", [None, 7, [7], [{"name": 1, "size": 2}], [{"name": "a"}]])
def test_a_list_of_models_that_is_none_has_no_models(models: object) -> None:
    body = json.dumps({"models": models, "data": models}).encode()
    with answering([HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body]) as teacher:
        assert teacher.local_models() == [] and teacher.models() == []
