"""Load a GGUF in llama.cpp, ask it, return its logits. Runs in the child process of llama.py.

Calls llama.h's functions, as vendored in llama-cpp-python 0.3.36: the wrapper's chat and completion
layers take longer than a small model's answer. A failed assertion of ggml ends the process.
"""

from __future__ import annotations

import ctypes
import os
import time
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from localtune.errors import RuntimeFileError
from localtune.llama.engine_header import header_of
from localtune.llama.header import Header
from localtune.llama.layers import Watch
from localtune.llama.llama import NO_MEMORY, Answer
from localtune.llama.vocabulary import LoadedVocabulary
from localtune.machine.cores import fastest_threads
from localtune.machine.threads import ThreadChoice, counts_up_to

ERROR = 4  # ggml_log_level
# Parts of llama.cpp's messages about a file that ends too soon, and about memory that ran out.
CUT = ("file bounds", "failed to read")
OUT_OF_MEMORY = ("bad_alloc", "allocate memory", "insufficient memory", "failed to allocate")
AGAIN = "Download or copy the file again. If a build made it, run that build again."
_complaints: deque[str] = deque(maxlen=20)


def _listen(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    """Keep llama.cpp's errors for our own messages, drop the rest."""
    if level == ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())


_callback = llama_cpp.llama_log_callback(_listen)  # named, as C keeps no reference
llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


class EngineSplitter:
    """A GGUF's tokenizer without its weights: how llama.cpp's server splits a text."""

    def __init__(self, gguf: Path) -> None:
        """Load a file's vocabulary. Raises RuntimeFileError."""
        model = load(gguf, vocabulary_only=True)
        self._vocabulary, self._header = LoadedVocabulary(model), header_of(model)
        weakref.finalize(self, llama_cpp.llama_model_free, model)

    def token_ids(self, text: str) -> list[int]:
        """Tokenise a text; special tokens are parsed, BOS comes once where the file asks for it."""
        return self._vocabulary.token_ids(text)

    def header(self) -> Header:
        """Return what the file says, `ends` included, for which every token is looked at."""
        return replace(self._header, ends=self._vocabulary.ends_of_turn())

    def multiplies_bf16(self) -> bool:
        """Whether llama.cpp uses this processor's BF16 products, and no faster ones of integers."""
        features = llama_cpp.llama_print_system_info().decode()
        return "AVX512_BF16 = 1" in features and "AMX_INT8 = 1" not in features


class EngineModel:
    """A loaded GGUF that answers greedily; llama.Model says what each method returns."""

    def __init__(self, gguf: Path, context: int, threads: int, adapter: Path | None) -> None:
        """Load a file and an adapter for it. Raises RuntimeFileError."""
        self._model = model = load(gguf)
        self._lora = _load_adapter(model, adapter) if adapter else None
        self.header = header_of(model)
        self.context = min(context, self.header.context or context)
        counts = thread_counts(threads, self.header)
        self._token_threads, self._prompt_threads = ThreadChoice(counts), ThreadChoice(counts)
        self._context = self._new_context(counts[0])
        self._vocabulary = LoadedVocabulary(model)
        self._batch = llama_cpp.llama_batch_init(self.context, 0, 1)
        weakref.finalize(self, free, model, self._context, self._batch)

    def description(self) -> tuple[Header, int]:
        """Return the header and the context in tokens."""
        return self.header, self.context

    def ask(self, prompt: str, max_tokens: int) -> Answer:
        """Continue a prompt up to an end-of-turn token or a limit."""
        ids = self.token_ids(prompt)
        answer = list(self._answer_ids(ids, max_tokens))
        ended = len(answer) < min(max_tokens, self.context - len(ids))
        text = b"".join(map(self._vocabulary.piece, answer))
        return Answer(text.decode("utf-8", "replace").strip(), tuple(answer), ended)

    def token_ids(self, text: str) -> list[int]:
        """Tokenise a prompt as llama.cpp's server does: special tokens count, BOS comes once."""
        return self._vocabulary.token_ids(text)

    def logits(self, ids: list[int]) -> npt.NDArray[np.float32]:
        """Return the logits behind every token, (len(ids), vocabulary)."""
        self._check_room(ids)
        self._forget()
        self._decode(ids, 0, every=True)
        shape = (len(ids), self._vocabulary.size)
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(self._context), shape).copy()

    def layers(self, ids: list[int]) -> list[npt.NDArray[np.float32]]:
        """Return what every layer hands on to the next, first layer first, (len(ids), width)."""
        self._check_room(ids)
        watch = Watch(len(ids))
        watched = self._new_context(self._prompt_threads.most, watch)
        usual, self._context = self._context, watched
        try:
            self._decode(ids, 0, every=True, timed=False)
        finally:
            self._context = usual
            llama_cpp.llama_free(watched)
        return watch.outputs()

    def _new_context(self, threads: int, watch: Watch | None = None) -> Any:
        made = _new_context(self._model, self.context, threads, watch)
        if self._lora:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._lora)
            llama_cpp.llama_set_adapters_lora(made, adapters, 1, (ctypes.c_float * 1)(1.0))
        return made

    def _answer_ids(self, ids: list[int], max_tokens: int) -> Iterator[int]:
        """Yield the most likely tokens until the model ends its turn or a limit is reached."""
        self._check_room(ids)
        self._forget()
        fed, past = ids, 0
        for _ in range(min(max_tokens, self.context - len(ids))):
            self._decode(fed, past)
            past += len(fed)
            logits = llama_cpp.llama_get_logits_ith(self._context, -1)
            token = int(np.ctypeslib.as_array(logits, (self._vocabulary.size,)).argmax())
            if self._vocabulary.ends(token):
                return
            yield token
            fed = [token]

    def _decode(self, ids: list[int], past: int, every: bool = False, timed: bool = True) -> None:
        batch, last = self._batch, len(ids) - 1
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i] = token, past + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = every or i == last
        began = time.perf_counter()
        if llama_cpp.llama_decode(self._context, batch):
            raise failed("llama.cpp could not run the model", NO_MEMORY)
        if timed:
            self._choose_threads(len(ids), time.perf_counter() - began)

    def _choose_threads(self, tokens: int, seconds: float) -> None:
        """Set the thread counts of the next call; prompts and single tokens have their own."""
        choice = self._prompt_threads if tokens > 1 else self._token_threads
        choice.after(tokens, seconds)
        counts = self._token_threads.threads, self._prompt_threads.threads
        llama_cpp.llama_set_n_threads(self._context, *counts)

    def _forget(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)

    def _check_room(self, ids: list[int]) -> None:
        if not 0 < len(ids) < self.context:
            raise RuntimeFileError(
                f"The prompt is {len(ids)} tokens long; the context holds {self.context}.",
                "Ask something shorter, or raise --context if the model was trained on more.",
            )


def thread_counts(threads: int, header: Header) -> list[int]:
    """Return the thread counts to choose from: the given one, or several for 0."""
    return [threads] if threads else counts_up_to(fastest_threads(header.parameters))


def load(gguf: Path, vocabulary_only: bool = False) -> Any:
    try:
        with gguf.open("rb") as file:
            is_gguf = file.read(4) == b"GGUF"
    except OSError as error:
        raise RuntimeFileError(
            f"{gguf} can't be read: {error.strerror}.",
            "Check that the file exists and is readable.",
        ) from error
    _complaints.clear()
    settings = llama_cpp.llama_model_default_params()
    settings.vocab_only = vocabulary_only
    model = llama_cpp.llama_model_load_from_file(os.fsencode(gguf), settings) if is_gguf else None
    if not model and _complained_of(OUT_OF_MEMORY):
        raise failed(f"Memory ran out while {gguf} was loaded", NO_MEMORY)
    if not model:
        cut = _complained_of(CUT)
        what = "is cut short or damaged" if cut else "is not a GGUF that llama.cpp can load"
        raise failed(f"{gguf} {what}", AGAIN)
    return model


def _load_adapter(model: Any, adapter: Path) -> Any:
    """Load a GGUF adapter for a model, which frees it at its own end."""
    _complaints.clear()
    lora = llama_cpp.llama_adapter_lora_init(model, os.fsencode(adapter))
    if not lora:
        llama_cpp.llama_model_free(model)
        raise failed(f"{adapter} is not an adapter for this model")
    return lora


def _new_context(model: Any, tokens: int, threads: int, watch: Watch | None = None) -> Any:
    settings = llama_cpp.llama_context_default_params()
    if watch:
        settings.cb_eval = watch.callback
    settings.n_ctx = settings.n_batch = settings.n_ubatch = tokens
    return _context_of(model, settings, threads, keep_model=bool(watch))


def new_shared_context(model: Any, cells: int, batch: int, sequences: int, threads: int) -> Any:
    """Return a context of several sequences, which share cells; `batch` is tokens at once."""
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx, settings.n_batch, settings.n_ubatch = cells, batch, batch
    settings.n_seq_max, settings.kv_unified, settings.swa_full = sequences, True, True
    settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
    return _context_of(model, settings, threads)


def _context_of(model: Any, settings: Any, threads: int, keep_model: bool = False) -> Any:
    """Make a context; without one the model is freed, unless another context uses it."""
    settings.n_threads = settings.n_threads_batch = threads
    settings.no_perf = True
    context = llama_cpp.llama_init_from_model(model, settings)
    if not context:
        if not keep_model:
            llama_cpp.llama_model_free(model)
        raise failed("llama.cpp could not make a context", NO_MEMORY)
    return context


def free(model: Any, context: Any, batch: Any) -> None:
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)


def _complained_of(signs: tuple[str, ...]) -> bool:
    return any(sign in text for text in _complaints for sign in signs)


def failed(what: str, hint: str = "Run `localtune build` again.") -> RuntimeFileError:
    # The first of its complaints says why, those that follow that it failed.
    why = f" ({_complaints[0].rpartition('error loading model: ')[2]})" if _complaints else ""
    return RuntimeFileError(f"{what}{why}.", hint)
