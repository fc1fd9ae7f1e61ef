"""Ollama's HTTP API: a server's version and models, uploads, new models, questions.

Source: docs/api.md, server/routes.go and server/create.go of Ollama 0.33. Knows nothing of build
folders. Errors are ServerError and its kinds, with what to do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from localtune.errors import ConfigError, ServerError
from localtune.ollama.host import is_this_machine
from localtune.ollama.refusals import refusal
from localtune.ollama.reply import json_object
from localtune.progress import Progress, Silent, megabytes

CONNECT = 10.0  # seconds
SHORT = 60.0  # seconds for what needs no work, such as the version
PATIENCE = 1800.0  # seconds without a sign: a model of 100 GB is copied without a word
WAITS = (1.0, 4.0, 15.0)  # seconds before an upload is tried again
PIECE = 1 << 20  # bytes that are read at once
AWAY = (502, 503, 504)  # what a proxy says of a server that is gone for now
Row = dict[str, Any]


class Unreachable(ServerError):
    """There is no answer: nobody is there, the connection broke off, or nothing came in time."""


class Ollama:
    """A server, asked over one connection after the other until the context ends."""

    def __init__(
        self, url: str, patience: float = PATIENCE, waits: tuple[float, ...] = WAITS
    ) -> None:
        """Connect to nothing yet; `patience` and `waits` in seconds. Raises ConfigError."""
        self.url, self._patience, self._waits = url, patience, waits
        try:
            self._client = httpx2.Client(
                base_url=url,
                timeout=httpx2.Timeout(patience, connect=min(CONNECT, patience)),
                # A proxy named in the environment can't reach this machine's own loopback.
                trust_env=not is_this_machine(url),
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ConfigError(
                f"{url} is no address of a server ({error}).", "Check --host and OLLAMA_HOST."
            ) from error

    def __enter__(self) -> Ollama:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def version(self) -> str:
        """Return the server's version, such as "0.33.0". Raises ServerError for another server."""
        with self._asking(SHORT):
            response = self._client.get("/api/version", timeout=min(SHORT, self._patience))
        found = json_object(response.text)
        if response.status_code in AWAY:
            raise self._refused(response)
        if not isinstance(found.get("version"), str):
            raise ServerError(
                f"Something answers at {self.url} that isn't Ollama "
                f"(HTTP {response.status_code} for /api/version).",
                "Give Ollama's address with --host or OLLAMA_HOST; its usual port is 11434.",
            )
        return str(found["version"])

    def models(self) -> list[str]:
        """Return the names of the models that the server has, as `ollama list` shows them."""
        return list(self.digests())

    def digests(self) -> dict[str, str]:
        """Return the digest of each model by its name, "" for one that the server names none of."""
        rows = self._ask("GET", "/api/tags").get("models") or []
        known = (row for row in rows if isinstance(row, dict) and "name" in row)
        return {str(row["name"]): str(row.get("digest") or "") for row in known}

    def has_blob(self, digest: str) -> bool:
        """Whether the server holds a file, so that it needn't be uploaded."""
        with self._asking(SHORT):
            response = self._client.head(f"/api/blobs/{digest}", timeout=min(SHORT, self._patience))
        if response.status_code not in (200, 404):
            raise self._refused(response)
        return response.status_code == 200

    def upload(self, file: Path, digest: str, progress: Progress = Silent()) -> bool:
        """Bring a file to the server; return whether it had to be sent.

        An upload that breaks off is tried again: the API knows no parts, so the whole file is sent.
        """
        for wait in (*self._waits, None):
            try:
                if self.has_blob(digest):  # also where only the last answer was lost
                    return False
                self._send(file, digest, progress)
                return True
            except Unreachable as error:
                if wait is None:
                    raise self._given_up(file, error) from error
                progress.note(f"the upload broke off; it is tried again in {wait:g} s")
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _send(self, file: Path, digest: str, progress: Progress) -> None:
        size = file.stat().st_size
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with megabytes(progress, "upload", size) as count, self._asking():
            body = _pieces(file, count)
            response = self._client.post(f"/api/blobs/{digest}", content=body, headers=headers)
        if response.status_code not in (200, 201):
            raise self._refused(response)

    def _given_up(self, file: Path, error: ServerError) -> Unreachable:
        return Unreachable(
            f"The upload of {file.name} broke off {len(self._waits) + 1} times. {error.message}",
            "Look at the server's log and at the network, then run the same command again.",
        )

    def create(self, request: Row, progress: Progress = Silent()) -> None:
        """Make a model of files that the server has; its steps are noted."""
        said = ""
        for row in self._stream("/api/create", request):
            before, said = said, str(row.get("status", said))
            if said not in (before, "success") and "sha256:" not in said:
                progress.note(said)
        if said != "success":
            raise ServerError(
                f"Ollama ended without saying that it made the model; its last word was {said!r}.",
                "Look at the server's log, then run the same command again.",
            )

    def chat(self, model: str, messages: list[Row], options: Row) -> str:
        """Return the answer to a conversation. Raises ServerError where it isn't whole."""
        body = {"model": model, "messages": messages, "options": options, "stream": False}
        reply = self._ask("POST", "/api/chat", body)
        if reply.get("done") is not True:
            raise ServerError(
                "Ollama broke off its answer (it ends with done:false).",
                "The model may have made broken text. Ask again with `ollama run`; the server's "
                "log says more.",
            )
        return str((reply.get("message") or {}).get("content", "")).strip()

    def prompt(self, model: str, messages: list[Row]) -> str | None:
        """Return what the model would be shown of a conversation; None from older servers."""
        body = {"model": model, "messages": messages, "stream": False, "_debug_render_only": True}
        # A server that doesn't know the wish answers the question instead: as short as can be.
        reply = self._ask("POST", "/api/chat", {**body, "options": {"num_predict": 1}})
        shown = (reply.get("_debug_info") or {}).get("rendered_template")
        return shown if isinstance(shown, str) else None

    def delete(self, model: str) -> None:
        """Take a model out of the server's list."""
        self._ask("DELETE", "/api/delete", {"model": model})

    def _ask(self, method: str, path: str, body: Row | None = None) -> Row:
        with self._asking():
            response = self._client.request(method, path, **_content(body))
        found = json_object(response.text)
        if response.status_code >= 300 or "error" in found:
            raise self._refused(response)
        return found

    def _stream(self, path: str, body: Row) -> Iterator[Row]:
        """Yield the JSON lines of an answer; an error may come in the midst of them."""
        with self._asking(), self._client.stream("POST", path, **_content(body)) as response:
            if response.status_code >= 300:
                response.read()
                raise self._refused(response)
            for line in response.iter_lines():
                row = json_object(line)
                if "error" in row:
                    raise refusal(self.url, str(row["error"]), response.status_code)
                yield row

    def _refused(self, response: httpx2.Response) -> ServerError:
        text = str(json_object(response.text).get("error") or response.reason_phrase)
        if response.status_code in AWAY:
            said = f" ({text})" if text else ""
            message = f"{self.url} answers HTTP {response.status_code}{said}."
            return Unreachable(message, "Is Ollama running there? Wait, and run it again.")
        return refusal(self.url, text, response.status_code)

    @contextmanager
    def _asking(self, patience: float = PATIENCE) -> Iterator[None]:
        """Turn what httpx2 raises into a message."""
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout, UnicodeError) as error:
            raise Unreachable(
                f"No Ollama answers at {self.url} ({error}).",
                "Start it with `ollama serve` or the Ollama app, or say where it is with --host or "
                "OLLAMA_HOST.",
            ) from error
        except httpx2.TimeoutException as error:
            raise Unreachable(
                f"Ollama at {self.url} gave no sign for {min(patience, self._patience):g} s.",
                "Look at its log; it may lack memory or disk. Run the same command again: a file "
                "that is there already isn't sent again.",
            ) from error
        except httpx2.TransportError as error:
            raise Unreachable(
                f"The connection to {self.url} broke off ({error}).",
                "Is it Ollama, and is it running still? Run the same command again: a file that is "
                "there already isn't sent again.",
            ) from error


def _content(body: Row | None) -> Row:
    if body is None:
        return {}
    # ASCII with escapes holds even text that no UTF-8 can hold.
    headers = {"Content-Type": "application/json"}
    return {"content": json.dumps(body).encode("ascii"), "headers": headers}


def _pieces(file: Path, count: Callable[[int], None]) -> Iterator[bytes]:
    with file.open("rb") as data:
        while piece := data.read(PIECE):
            yield piece
            count(len(piece))
