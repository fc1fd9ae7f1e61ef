"""A GGUF that writes texts, several at once. Runs in the child process of writer.py.

Each text is a sequence of one context whose sequences share the keys and values of the prompt they
have in common (`kv_unified` of llama.h, as vendored in llama-cpp-python 0.3.36). One decoding step
computes the next token of every sequence: the weights are read once for all of them.
"""

from __future__ import annotations

import time
import weakref
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from localtune.config import PLAIN_TEMPLATE
from localtune.runtimes.chat import render
from localtune.runtimes.engine import failed, free, load, new_shared_context, thread_counts
from localtune.runtimes.engine_header import header_of
from localtune.runtimes.llama import NO_MEMORY
from localtune.runtimes.vocabulary import Vocabulary
from localtune.threads import ThreadChoice
from localtune.writing import Completion, Request, UnusableError

MIN_ANSWER_TOKENS = 64  # that a prompt must leave free
MIN_P = 0.05  # tokens less likely than this share of the likeliest are never drawn
PROMPT_BATCH_TOKENS = 512
TOKENS_PER_CALL = 16  # of each sequence, before new requests can join

Finished = tuple[int, Completion | UnusableError]


@dataclass
class _Sequence:
    """One sequence: the tokens in its cache, and the request that it answers, if any."""

    number: int
    cached: list[int] = field(default_factory=list)
    request: Request | None = None
    prompt_tokens: int = 0
    limit: int = 0  # tokens of the answer
    next_token: int = -1
    random: Any = None
    used: float = 0.0  # when its last request ended


class Writer:
    """A loaded GGUF that continues several conversations at once."""

    def __init__(self, gguf: Path, sequences: int, context: int, cells: int, threads: int) -> None:
        """Load a file.

        `context` is the most tokens of one conversation, `cells` of all that are in the cache.
        `threads` 0 means as many as are fastest. Raises RuntimeFileError.
        """
        self._model = model = load(gguf)
        self._header = header_of(model)
        self._limit = min(context, self._header.context or context)
        self._cells = max(cells, self._limit)
        counts = thread_counts(threads, self._header)
        # By the size of a batch: speeds of a few tokens and of many cannot be compared.
        self._threads = defaultdict[int, ThreadChoice](lambda: ThreadChoice(counts))
        self._context = new_shared_context(
            model, self._cells, PROMPT_BATCH_TOKENS, sequences, counts[0]
        )
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = Vocabulary(model)
        self._batch = llama_cpp.llama_batch_init(PROMPT_BATCH_TOKENS, 0, 1)
        self._sequences = [_Sequence(number) for number in range(sequences)]
        self._waiting = deque[Request]()
        self._shares_prompts = not (
            llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model)
        )
        weakref.finalize(self, free, model, self._context, self._batch)

    def has_template(self) -> bool:
        """Return whether the file has a chat template."""
        return bool(self._header.template)

    def advance(self, requests: list[Request]) -> list[Finished]:
        """Continue the requests and return those that finished, by number.

        `requests` are all that are outstanding: after a crash a new process starts them again.
        Returns after TOKENS_PER_CALL tokens, or sooner if a request finished.
        """
        outstanding = {request.number for request in requests}
        known = {request.number for request in self._waiting}
        for sequence in self._running():
            number = sequence.request.number if sequence.request else -1
            known.add(number)
            if number not in outstanding:
                self._release(sequence)
        self._waiting.extend(request for request in requests if request.number not in known)
        finished: list[Finished] = []
        for _ in range(TOKENS_PER_CALL):
            finished += self._admit()
            if finished or not self._running():
                break
            finished += self._next_tokens()
        return finished

    def _running(self) -> list[_Sequence]:
        return [sequence for sequence in self._sequences if sequence.request]

    def _admit(self) -> list[Finished]:
        """Start waiting requests while sequences and cells are free."""
        failures: list[Finished] = []
        while self._waiting and len(self._running()) < len(self._sequences):
            request = self._waiting[0]
            try:
                ids = self._prompt(request)
            except UnusableError as error:
                failures.append((self._waiting.popleft().number, error))
                continue
            limit = min(request.max_tokens, self._limit - len(ids))
            if not self._make_room(len(ids) + limit):
                break
            self._start(self._waiting.popleft(), ids, limit)
        return failures

    def _prompt(self, request: Request) -> list[int]:
        template = self._header.template or PLAIN_TEMPLATE
        text = render(template, request.messages, self._header.bos, self._header.eos)
        ids = self._vocabulary.token_ids(text)
        if len(ids) + min(request.max_tokens, MIN_ANSWER_TOKENS) > self._limit:
            raise UnusableError(
                f"A prompt of {len(ids)} tokens does not fit into {self._limit} with its answer.",
                "Give a smaller --passage-tokens.",
            )
        return ids

    def _make_room(self, tokens: int) -> bool:
        """Drop caches of ended requests until `tokens` fit; say whether they do."""
        idle = sorted((s for s in self._sequences if not s.request), key=lambda s: s.used)
        running = sum(s.prompt_tokens + s.limit for s in self._running())
        while tokens + running + sum(len(s.cached) for s in idle) > self._cells and idle:
            self._clear(idle.pop(0))
        return tokens + running <= self._cells

    def _clear(self, sequence: _Sequence) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence.number, -1, -1)
        sequence.cached = []

    def _start(self, request: Request, ids: list[int], limit: int) -> None:
        """Compute a prompt on top of the longest beginning that any sequence has cached."""
        most = len(ids) - 1  # the last token is computed anew, for its logits
        shared = {s.number: min(most, _common(s.cached, ids)) for s in self._sequences}
        source = max(self._sequences, key=lambda s: (shared[s.number], s.request is None))
        idle = [s for s in self._sequences if not s.request]
        sequence = source if source in idle else min(idle, key=lambda s: s.used)
        begin = shared[source.number] if self._shares_prompts else 0
        if sequence is not source or not begin:
            self._clear(sequence)
        if sequence is not source and begin:
            copy = llama_cpp.llama_memory_seq_cp
            copy(self._memory, source.number, sequence.number, 0, begin)
        llama_cpp.llama_memory_seq_rm(self._memory, sequence.number, begin, -1)
        sequence.cached = ids[:begin]
        for first in range(begin, len(ids), PROMPT_BATCH_TOKENS):
            part = ids[first : first + PROMPT_BATCH_TOKENS]
            self._decode([(sequence, token) for token in part], first + len(part) == len(ids))
        sequence.request, sequence.limit, sequence.prompt_tokens = request, limit, len(ids)
        sequence.random = np.random.default_rng(request.seed)
        sequence.next_token = self._draw(sequence, -1)

    def _next_tokens(self) -> list[Finished]:
        """Add the drawn token to every running text, and draw the next one of each."""
        finished: list[Finished] = []
        for sequence in self._running():
            if completion := self._completion(sequence):
                finished.append(completion)
                self._release(sequence)
        running = self._running()
        if running:
            self._decode([(sequence, sequence.next_token) for sequence in running], True)
            for i, sequence in enumerate(running):
                sequence.next_token = self._draw(sequence, i)
        return finished

    def _completion(self, sequence: _Sequence) -> Finished | None:
        """Return the finished text of a sequence, None if it goes on."""
        request = sequence.request
        assert request
        ids = sequence.cached[sequence.prompt_tokens :]
        ended = self._vocabulary.ends(sequence.next_token)
        text = b"".join(map(self._vocabulary.piece, ids)).decode("utf-8", "replace")
        for stop in request.stop:
            before, found, _ = text.partition(stop)
            text, ended = (before, True) if found else (text, ended)
        if ended or len(ids) >= sequence.limit:
            return request.number, Completion(text.strip(), ended)
        return None

    def _release(self, sequence: _Sequence) -> None:
        sequence.request, sequence.used = None, time.monotonic()

    def _decode(self, tokens: list[tuple[_Sequence, int]], last_logits: bool) -> None:
        """Compute tokens, several of one sequence or one of each; logits for the last of each."""
        batch, of_one = self._batch, len({sequence.number for sequence, _ in tokens}) == 1
        batch.n_tokens = len(tokens)
        for i, (sequence, token) in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, len(sequence.cached)
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence.number
            batch.logits[i] = last_logits and (not of_one or i == len(tokens) - 1)
            sequence.cached.append(token)
        choice = self._threads[len(tokens).bit_length()]
        llama_cpp.llama_set_n_threads(self._context, choice.threads, choice.threads)
        began = time.perf_counter()
        if llama_cpp.llama_decode(self._context, batch):
            raise failed("llama.cpp could not run the model", NO_MEMORY)
        choice.after(len(tokens), time.perf_counter() - began)

    def _draw(self, sequence: _Sequence, i: int) -> int:
        """Draw a token by the i-th logits of the last batch, the likeliest at temperature 0."""
        found = llama_cpp.llama_get_logits_ith(self._context, i)
        logits: npt.NDArray[np.float32] = np.ctypeslib.as_array(found, (self._vocabulary.size,))
        request = sequence.request
        if not request or request.temperature <= 0:
            return int(logits.argmax())
        likely = np.flatnonzero(logits >= logits.max() + request.temperature * np.log(MIN_P))
        weights = np.exp((logits[likely] - logits.max()) / request.temperature).astype(np.float64)
        return int(sequence.random.choice(likely, p=weights / weights.sum()))


def _common(a: list[int], b: list[int]) -> int:
    """Return how many tokens two lists begin with alike."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
