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
from itertools import pairwise
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from localtune.config.stages import PLAIN_TEMPLATE
from localtune.llama.chat import render
from localtune.llama.engine import failed, free, load, new_shared_context, thread_counts
from localtune.llama.engine_header import header_of
from localtune.llama.llama import NO_MEMORY
from localtune.llama.vocabulary import LoadedVocabulary
from localtune.llama.writing import Completion, Request, UnusableError
from localtune.machine.threads import ThreadChoice

MIN_ANSWER_TOKENS = 64  # that a prompt must leave free
MIN_P = 0.05  # tokens less likely than this share of the likeliest are never drawn
BATCH_TOKENS = 512
WORTH_WAITING_TOKENS = 64  # that another prompt is about to compute
TOKENS_PER_CALL = 16  # of each sequence, before new requests can join

Finished = tuple[int, Completion | UnusableError]


@dataclass
class _Sequence:
    """One sequence: the tokens in its cache, and the request that it answers, if any."""

    number: int
    cached: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)  # tokens to be computed
    request: Request | None = None
    answer: list[int] = field(default_factory=list)
    first: tuple[tuple[str, float], ...] = ()  # the likeliest first tokens of the answer
    limit: int = 0  # tokens of the answer
    random: Any = None
    used: float = 0.0  # when its last request ended

    @property
    def tokens(self) -> list[int]:
        """Return the tokens that are or will be in its cache."""
        return self.cached + self.waiting


class EngineWriter:
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
        self._context = new_shared_context(model, self._cells, BATCH_TOKENS, sequences, counts[0])
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = LoadedVocabulary(model)
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._sequences = [_Sequence(number) for number in range(sequences)]
        self._waiting = deque[tuple[Request, list[int]]]()
        self._shares_prompts = not (
            llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model)
        )
        weakref.finalize(self, free, model, self._context, self._batch)

    def advance(self, requests: list[Request]) -> list[Finished]:
        """Continue the requests and return those that finished, by number.

        `requests` are all that are outstanding: after a crash a new process starts them again.
        Returns after TOKENS_PER_CALL tokens, or sooner if a request finished.
        """
        outstanding = {request.number for request in requests}
        known = {request.number for request, _ in self._waiting}
        for sequence in self._running():
            number = sequence.request.number if sequence.request else -1
            known.add(number)
            if number not in outstanding:
                self._release(sequence)
        finished: list[Finished] = []
        for request in requests:
            if request.number not in known:
                try:
                    self._waiting.append((request, self._prompt(request)))
                except UnusableError as error:
                    finished.append((request.number, error))
        for _ in range(TOKENS_PER_CALL):
            self._admit()
            if finished or not self._running():
                break
            finished += self._compute()
        return finished

    def _running(self) -> list[_Sequence]:
        return [sequence for sequence in self._sequences if sequence.request]

    def _admit(self) -> None:
        """Start waiting requests while sequences and cells are free."""
        while self._waiting and len(self._running()) < len(self._sequences):
            request, ids = self._waiting[0]
            most = len(ids) - 1  # the last token is computed anew, for its logits
            shared = {s.number: min(most, _common(s.tokens, ids)) for s in self._sequences}
            ready = {s.number: min(shared[s.number], len(s.cached)) for s in self._sequences}
            source = max(self._sequences, key=lambda s: (ready[s.number], s.request is None))
            begin = ready[source.number] if self._shares_prompts else 0
            if self._shares_prompts and max(shared.values()) > begin + WORTH_WAITING_TOKENS:
                break  # what they have in common is being computed
            limit = min(request.max_tokens, self._limit - len(ids))
            if not self._make_room(ids, limit, source):
                break
            self._waiting.popleft()
            self._start(request, ids, limit, source, begin)

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

    def _make_room(self, ids: list[int], limit: int, source: _Sequence) -> bool:
        """Drop caches of ended requests until a prompt and its answer fit; say whether they do."""
        running = self._running()
        idle = sorted(
            (s for s in self._sequences if s.cached and not s.request and s is not source),
            key=lambda s: s.used,
        )
        limits = limit + sum(s.limit - len(s.answer) for s in running)
        while True:
            if limits + _distinct([ids, *(s.tokens for s in [*running, *idle])]) <= self._cells:
                return True
            if not idle:
                return False
            self._clear(idle.pop(0))

    def _clear(self, sequence: _Sequence) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence.number, -1, -1)
        sequence.cached = []

    def _start(
        self, request: Request, ids: list[int], limit: int, source: _Sequence, begin: int
    ) -> None:
        """Give a request a sequence, which takes over the `begin` tokens that `source` has."""
        idle = [s for s in self._sequences if not s.request]
        sequence = source if source in idle else min(idle, key=lambda s: s.used)
        if sequence is not source or not begin:
            self._clear(sequence)
        if sequence is not source and begin:
            copy = llama_cpp.llama_memory_seq_cp
            copy(self._memory, source.number, sequence.number, 0, begin)
        llama_cpp.llama_memory_seq_rm(self._memory, sequence.number, begin, -1)
        sequence.cached, sequence.waiting, sequence.answer = ids[:begin], ids[begin:], []
        sequence.request, sequence.limit, sequence.first = request, limit, ()
        sequence.random = np.random.default_rng(request.seed)

    def _compute(self) -> list[Finished]:
        """Compute waiting tokens of all sequences in one batch; return the texts that ended."""
        # Answers go first: they add one token each, while a prompt takes what room is left.
        running = sorted(self._running(), key=lambda s: len(s.waiting))
        batch, size, last = self._batch, 0, list[tuple[_Sequence, int]]()
        for sequence in running:
            taken = sequence.waiting[: BATCH_TOKENS - size]
            for i, token in enumerate(taken, size):
                batch.token[i], batch.pos[i] = token, len(sequence.cached)
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence.number
                batch.logits[i] = False
                sequence.cached.append(token)
            size += len(taken)
            sequence.waiting = sequence.waiting[len(taken) :]
            if taken and not sequence.waiting:
                batch.logits[size - 1] = True
                last.append((sequence, size - 1))
        batch.n_tokens = size
        choice = self._threads[size.bit_length()]
        llama_cpp.llama_set_n_threads(self._context, choice.threads, choice.threads)
        began = time.perf_counter()
        if llama_cpp.llama_decode(self._context, batch):
            raise failed("llama.cpp could not run the model", NO_MEMORY)
        choice.after(size, time.perf_counter() - began)
        ended = (self._add_token(sequence, i) for sequence, i in last)
        return [finished for finished in ended if finished]

    def _add_token(self, sequence: _Sequence, i: int) -> Finished | None:
        """Add a token, drawn by the logits of the batch's token i; return the answer if it ends."""
        request = sequence.request
        assert request
        if request.top and not sequence.answer:
            sequence.first = self._likeliest(request.top, i)
        token = self._draw(request, sequence.random, i)
        ended = self._vocabulary.ends(token)
        if not ended:
            sequence.answer.append(token)
        text = b"".join(map(self._vocabulary.piece, sequence.answer)).decode("utf-8", "replace")
        for stop in request.stop:
            before, found, _ = text.partition(stop)
            text, ended = (before, True) if found else (text, ended)
        if ended or len(sequence.answer) >= sequence.limit:
            self._release(sequence)
            return request.number, Completion(text.strip(), ended, sequence.first)
        sequence.waiting = [token]
        return None

    def _release(self, sequence: _Sequence) -> None:
        sequence.request, sequence.waiting, sequence.used = None, [], time.monotonic()

    def _draw(self, request: Request, random: np.random.Generator, i: int) -> int:
        """Draw a token by the logits of the batch's token i; the likeliest at temperature 0."""
        logits = self._logits(i)
        if request.temperature <= 0:
            return int(logits.argmax())
        likely = np.flatnonzero(logits >= logits.max() + request.temperature * np.log(MIN_P))
        weights = np.exp((logits[likely] - logits.max()) / request.temperature).astype(np.float64)
        return int(random.choice(likely, p=weights / weights.sum()))

    def _likeliest(self, number: int, i: int) -> tuple[tuple[str, float], ...]:
        """Return the likeliest tokens behind the batch's token i, with their log-probabilities."""
        logits = self._logits(i).astype(np.float64)
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        ids = np.argsort(logits)[: -number - 1 : -1]
        pieces = (self._vocabulary.piece(int(token)).decode("utf-8", "replace") for token in ids)
        return tuple(zip(pieces, map(float, logits[ids]), strict=True))

    def _logits(self, i: int) -> npt.NDArray[np.float32]:
        """Return the logits of the batch's token i, (vocabulary,)."""
        found = llama_cpp.llama_get_logits_ith(self._context, i)
        return np.ctypeslib.as_array(found, (self._vocabulary.size,))


def _common(a: list[int], b: list[int]) -> int:
    """Return how many tokens two lists begin with alike."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # slices are compared faster than one token after the other
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _distinct(texts: list[list[int]]) -> int:
    """Return how many cells texts take whose common beginnings are shared."""
    ordered = sorted(texts)
    return sum(map(len, ordered)) - sum(_common(a, b) for a, b in pairwise(ordered))
