"""A GGUF that writes free text, or JSON by a grammar. Runs in the child process of writer.py.

llama-cpp-python's own completion is used here: it keeps the common prefix of two prompts, and the
questions about a passage share one. On a GPU all layers are loaded there.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import Llama, LlamaGrammar, StoppingCriteriaList

from localtune.config import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.in_view import Message
from localtune.runtimes.chat import render
from localtune.runtimes.engine import Splitter, thread_counts
from localtune.runtimes.llama import NO_MEMORY
from localtune.runtimes.schema_check import is_grammar
from localtune.threads import ThreadChoice
from localtune.writing import Schema, UnusableError

MIN_ANSWER_TOKENS = 64  # room that a prompt must leave
# Longer texts aren't limited by the grammar: it nests one optional character in the other, which
# llama.cpp refuses from some 1,000 on, and overflows its stack far beyond.
MAX_GRAMMAR_CHARACTERS = 500


class Writer:
    """A loaded GGUF; the same seed gives the same text. LocalWriter says what it returns."""

    def __init__(self, gguf: Path, context: int, threads: int) -> None:
        """Load a file; `threads` 0 means as many as are fastest. Raises RuntimeFileError."""
        splitter = Splitter(gguf)
        self._split, self._header = splitter.token_ids, splitter.header()
        self._template = self._header.template or PLAIN_TEMPLATE
        self._context = min(context, self._header.context or context)
        counts = thread_counts(threads, self._header)
        self._threads, self._token_ended = ThreadChoice(counts), 0.0
        try:
            self._model = Llama(
                str(gguf),
                n_ctx=self._context,
                n_gpu_layers=-1,  # without a GPU this means nothing
                n_threads=counts[0],
                n_threads_batch=counts[0],
                flash_attn=True,
                verbose=False,
            )
        except ValueError as error:
            raise RuntimeFileError(f"llama.cpp can't load {gguf}: {error}.", NO_MEMORY) from error

    def write(
        self,
        messages: list[Message],
        schema: Schema | None,
        max_tokens: int,
        temperature: float,
        seed: int,
    ) -> str:
        """Return the answer to a conversation, JSON of the schema if there is one."""
        ids = self._split(render(self._template, messages, self._header.bos, self._header.eos))
        room = self._context - len(ids)
        if room < min(max_tokens, MIN_ANSWER_TOKENS):
            raise UnusableError(
                f"A prompt of {len(ids)} tokens doesn't fit into {self._context} with its answer.",
                "Give a smaller --passage-tokens.",
            )
        self._token_ended = 0.0
        try:
            completion: Any = self._model.create_completion(
                ids,
                max_tokens=min(max_tokens, room),
                temperature=temperature,
                seed=seed,
                grammar=_grammar(json.dumps(schema)) if schema else None,
                stopping_criteria=StoppingCriteriaList([self._after_token]),
            )
        except RuntimeError as error:
            raise RuntimeFileError(f"llama.cpp could not go on: {error}.", NO_MEMORY) from error
        choice = completion["choices"][0]
        if schema and choice["finish_reason"] == "length":
            raise UnusableError("An answer was cut off at its limit.")
        return str(choice["text"]).strip()

    def _after_token(self, *_: Any) -> bool:
        """Set the thread count of the next token by the time of this one; stop at none."""
        now = time.perf_counter()
        if self._token_ended:  # the time of the first token is that of the prompt
            threads = self._threads.after(1, now - self._token_ended)
            llama_cpp.llama_set_n_threads(self._model.ctx, threads, threads)
        self._token_ended = now
        return False


@lru_cache(maxsize=64)
def _grammar(schema: str) -> LlamaGrammar:
    """Return the grammar of a schema, without limits of length where those are refused.

    Raises UnusableError for a schema that llama.cpp refuses. The wrapper doesn't check this: it
    would sample with a null pointer, and the process would end.
    """
    for characters in (MAX_GRAMMAR_CHARACTERS, 0):
        grammar = LlamaGrammar.from_json_schema(
            _with_lengths_up_to(characters, schema), verbose=False
        )
        if is_grammar(grammar._grammar):
            return grammar
    raise UnusableError(f"llama.cpp refuses the grammar of the JSON schema {schema[:200]}.")


def _with_lengths_up_to(characters: int, schema: str) -> str:
    """Return a schema without the greater limits of length; max_tokens bounds those texts."""

    def drop(part: dict[str, Any]) -> dict[str, Any]:
        too_long = isinstance(part.get("maxLength"), int) and part["maxLength"] > characters
        return {key: part[key] for key in part if not (key == "maxLength" and too_long)}

    return json.dumps(json.loads(schema, object_hook=drop))
