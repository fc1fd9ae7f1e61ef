"""A model behind an OpenAI-compatible server that writes texts. Knows nothing of lessons.

Ollama, llama-server, llama-cpp-python's server and others speak this API. Sources: docs/openai.md
of Ollama 0.33, tools/server/README.md of llama.cpp, server/types.py of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import email.utils
import random
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from localtune.errors import ConfigError, ServerError
from localtune.llama.writing import Completion, UnusableError
from localtune.ollama.host import is_this_machine
from localtune.ollama.reply import ReplyError, json_object, read_text
from localtune.prompts import Message

CONNECT = 10.0  # seconds
PATIENCE = 300.0  # seconds for one answer: a large model on a CPU is slow, and requests queue
TRIES = 6  # of one request
WAIT, LONGEST = 1.0, 60.0  # seconds before the second try, doubled with each; and the most
MIN_LOGPROB = -1e5  # llama-server and Ollama give about -1e4 for a token that cannot be
BUSY = (408, 409, 425, 429)  # what is worth another try, besides 5xx
Row = dict[str, Any]


@dataclass(frozen=True)
class ListedModel:
    """A model that an Ollama holds; `bytes` is the size of its files."""

    name: str
    parameters: float
    bytes: int


@dataclass(frozen=True)
class Reply:
    """What a server answered: HTTP status, body, and the Retry-After header, if any."""

    status: int
    text: str
    retry_after: str | None


class Teacher:
    """A server's model; `write` may be called by several threads at once."""

    def __init__(
        self,
        url: str,
        model: str,
        key: str = "",
        parallel: int = 1,
        patience: float = PATIENCE,
        wait: float = WAIT,
        tries: int = TRIES,
    ) -> None:
        """Connect to nothing yet; `patience` and `wait` in seconds. Raises ConfigError."""
        self.url, self.model, self.parallel = url, model, parallel
        self.identity = f"{url} {model}"
        self._patience, self._wait, self._tries = patience, wait, tries
        self._tells_probabilities = True  # until it fails to
        try:
            self._client = httpx2.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(patience, connect=min(CONNECT, patience), pool=None),
                trust_env=not is_this_machine(url),
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ConfigError(
                f"{url} is no address of a server ({error}).", "Check --teacher."
            ) from error

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def models(self) -> list[str]:
        """Return the names of the server's models. Raises ServerError."""
        listed = self._sent("GET", "models", None).get("data")
        rows = listed if isinstance(listed, list) else []
        return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]

    def local_models(self) -> list[ListedModel]:
        """Return the models of an Ollama that run there. Raises ServerError.

        Source: ListResponse of api/types.go in Ollama 0.33; a size such as "1.5B" is text there.
        """
        listed = self._sent("GET", f"{self.url.removesuffix('v1/')}api/tags", None).get("models")
        found = []
        for row in listed if isinstance(listed, list) else []:
            if not isinstance(row, dict) or row.get("remote_host") or row.get("remote_model"):
                continue
            details = row.get("details")
            size = details.get("parameter_size", "") if isinstance(details, dict) else ""
            held = row.get("size")
            if isinstance(row.get("name"), str) and isinstance(held, int):
                found.append(ListedModel(row["name"], _parameters(str(size)), held))
        return found

    def is_instruct(self) -> bool:
        """Whether an Ollama renders this model's chats by a template, and it writes text."""
        shown = self._show()
        capabilities = shown.get("capabilities")
        writes = not isinstance(capabilities, list) or "completion" in capabilities
        template = shown.get("template")
        return writes and isinstance(template, str) and template.strip() != "{{ .Prompt }}"

    def remote_host(self) -> str:
        """Return where the server has this model run, "" if it runs there itself.

        Ollama says so of its cloud models, whatever their name; other servers don't know the
        question. Raises ServerError. Source: ShowResponse of api/types.go in Ollama 0.33.
        """
        found = self._show()
        return str(found.get("remote_host") or found.get("remote_model") or "")

    def _show(self) -> Row:
        """Return what an Ollama says of this model, {} from other servers."""
        show = f"{self.url.removesuffix('v1/')}api/show"
        reply = self._answered("POST", show, {"model": self.model})
        return json_object(reply.text) if reply.status == 200 else {}

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
        """Return the answer to a conversation, as Writer says."""
        asked: Row = {"model": self.model, "messages": messages, "max_tokens": max_tokens}
        asked |= {"temperature": temperature, "seed": seed, "stream": False}
        asked |= {"stop": list(stop)} if stop else {}
        if top and self._tells_probabilities:
            try:
                return self._completion({**asked, "logprobs": True, "top_logprobs": top})
            except ServerError:  # some servers refuse it; others fail
                self._tells_probabilities = False
        try:
            return self._completion(asked)
        except _BadRequestError as error:
            raise UnusableError(error.message, error.hint) from error

    def _completion(self, asked: Row) -> Completion:
        try:
            choice = self._asked(asked)["choices"][0]
            text = choice["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise UnusableError("The server's answer holds no text.") from error
        if not isinstance(text, str):
            raise UnusableError("The server's answer holds no text.")
        return Completion(_bare(text), choice.get("finish_reason") != "length", _first(choice))

    def _asked(self, body: Row) -> Row:
        return self._sent("POST", "chat/completions", body)

    def _sent(self, method: str, path: str, body: Row | None) -> Row:
        """Return the JSON object that answers a request. Raises ServerError."""
        reply = self._answered(method, path, body)
        if reply.status != 200:
            raise self._refused(reply)
        return json_object(reply.text)

    def _answered(self, method: str, path: str, body: Row | None) -> Reply:
        """Send a request until it is answered. Raises ServerError after some tries."""
        for tried in range(1, self._tries + 1):
            try:
                reply = self._reply(method, path, body)
            except httpx2.TransportError as error:
                if tried == self._tries:
                    raise self._unreachable(error) from error
                self._pause(tried, None)
                continue
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise self._unreachable(error) from error
            except ReplyError as error:
                raise self._unusable(error) from error
            if tried == self._tries or not _is_busy(reply):
                break
            self._pause(tried, reply.retry_after)
        return reply

    def _reply(self, method: str, path: str, body: Row | None) -> Reply:
        with self._client.stream(method, path, json=body) as response:
            deadline = time.monotonic() + self._patience
            text = read_text(response.iter_bytes(), deadline)
        return Reply(response.status_code, text, response.headers.get("Retry-After"))

    def _pause(self, tried: int, asked: str | None) -> None:
        """Wait as long as the server asks, else twice as long as before, and not all at once."""
        longest = min(self._wait * 2.0 ** (tried - 1), LONGEST)
        said = _seconds(asked)
        time.sleep(min(said, LONGEST) if said is not None else random.uniform(longest / 2, longest))

    def _unreachable(self, error: Exception) -> ServerError:
        slow = isinstance(error, httpx2.ReadTimeout)
        what = f"gave no answer for {self._patience:g} s" if slow else f"can't be reached ({error})"
        return ServerError(
            f"The teacher at {self.url} {what}.",
            "Is it running, and not asked too much at once (--parallel)? Run the same command "
            "again: passages that are done aren't asked for again.",
        )

    def _unusable(self, error: ReplyError) -> ServerError:
        return ServerError(
            f"The answer of the teacher at {self.url} can't be read: {error}.",
            "Check that the URL is that of a server with OpenAI's API, and see the server's log.",
        )

    def _refused(self, reply: Reply) -> ServerError:
        status, said = reply.status, _message(reply.text)
        message = f"The teacher at {self.url} answers HTTP {status}: {said or 'no reason given'}."
        if status in (400, 413, 422):
            return _BadRequestError(message, "Give a smaller --passage-tokens, or another teacher.")
        hint = "Run the same command again later: passages that are done aren't asked for again."
        if status in (401, 403):
            hint = "Set the key in the environment variable LOCALTUNE_TEACHER_KEY."
        elif status == 404:
            hint = f"Check the URL and the model: `ollama pull {self.model}`, or --teacher-model."
        return ServerError(message, hint)


def _is_busy(reply: Reply) -> bool:
    """Whether another try is worth it."""
    return reply.status in BUSY or reply.status >= 500


class _BadRequestError(ServerError):
    """The server cannot do what was asked of it, such as so long a text."""


def _parameters(size: str) -> float:
    """Return the number that a size such as "494.03M" or "1.5B" means, 0 for another text."""
    match = re.fullmatch(r"([\d.]+)\s*([KMBT])", size.strip(), re.I)
    units = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    try:
        return float(match[1]) * units[match[2].upper()] if match else 0.0
    except ValueError:
        return 0.0


def _bare(text: str) -> str:
    """Return an answer without the thoughts in front of it and a fence around it.

    Half a surrogate pair, which cannot be stored, becomes a question mark.
    """
    text = text.encode("utf-8", "replace").decode()
    text = text.rpartition("</think>")[2].strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    return text.strip()


def _first(choice: Row) -> tuple[tuple[str, float], ...]:
    """Return the likeliest first tokens of an answer, () where the server does not tell them."""
    try:
        listed = choice["logprobs"]["content"][0]["top_logprobs"]
        first = tuple((str(row["token"]), float(row["logprob"])) for row in listed)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return ()
    return first if all(MIN_LOGPROB <= value <= 0 for _, value in first) else ()


def _seconds(asked: str | None) -> float | None:
    """Return the seconds that a Retry-After means: a number, or a date of HTTP."""
    if not asked:
        return None
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def _message(text: str) -> str:
    """Return what an error says, whichever way the server says it; a proxy's page in short."""
    error = json_object(text).get("error", json_object(text).get("detail", text))
    said = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(said).split())[:300]
