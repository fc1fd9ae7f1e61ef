"""A GGUF that writes: free text, or JSON that a grammar holds to a schema.

The wrapper's own completion is used here, which keeps what two prompts begin with: the questions
about a passage share it. On a GPU all layers lie there. Knows nothing of lessons.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from llama_cpp import Llama, LlamaGrammar

from localtune.config import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.in_view import Message
from localtune.runtimes.chat import render
from localtune.runtimes.llama import NO_MEMORY, Splitter, read_header, threads_for
from localtune.writing import Schema, UnusableError

LEAST = 64  # tokens that an answer must find room for


class LocalWriter:
    """A loaded GGUF; the same seed gives the same text."""

    parallel = 1

    def __init__(self, gguf: Path, identity: str, context: int = 4096) -> None:
        """Load a file; `context` in tokens, or what it was trained on if less.

        Raises RuntimeFileError.
        """
        self.identity, self.header = identity, read_header(gguf)
        self._template = self.header.template or PLAIN_TEMPLATE
        self._split = Splitter(gguf).token_ids
        self.context = min(context, self.header.context or context)
        threads = threads_for(self.header)
        try:
            self._model = Llama(
                str(gguf),
                n_ctx=self.context,
                n_gpu_layers=-1,  # without a GPU this means nothing
                n_threads=threads,
                n_threads_batch=threads,
                flash_attn=True,
                verbose=False,
            )
        except ValueError as error:
            raise RuntimeFileError(f"llama.cpp can't load {gguf}: {error}.", NO_MEMORY) from error

    def write(
        self,
        messages: list[Message],
        schema: Schema | None = None,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """Return the answer to a conversation, as Writer says."""
        ids = self._split(render(self._template, messages, self.header.bos, self.header.eos))
        room = self.context - len(ids)
        if room < min(max_tokens, LEAST):
            raise UnusableError(
                f"A prompt of {len(ids)} tokens doesn't fit into {self.context} with its answer.",
                "Give a smaller --passage-tokens.",
            )
        try:
            made = self._model.create_completion(
                ids,
                max_tokens=min(max_tokens, room),
                temperature=temperature,
                seed=seed,
                grammar=_grammar(json.dumps(schema)) if schema else None,
            )
        except RuntimeError as error:
            raise RuntimeFileError(f"llama.cpp could not go on: {error}.", NO_MEMORY) from error
        assert isinstance(made, dict)  # it would be an iterator only with stream=True
        choice = made["choices"][0]
        if schema and choice["finish_reason"] == "length":
            raise UnusableError("An answer was cut off at its limit.")
        return str(choice["text"]).strip()


@lru_cache(maxsize=64)
def _grammar(schema: str) -> LlamaGrammar:
    return LlamaGrammar.from_json_schema(schema, verbose=False)
