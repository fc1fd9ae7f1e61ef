"""What a GGUF says about asking it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Header:
    """What a GGUF says about asking it. `context` is the longest it was trained on, in tokens.

    `embeds` says that it makes vectors of texts and answers nothing: Ollama goes by the same key.
    `ends` are the tokens that end an answer, as text, `metadata` what it says of its making: the
    values of general.*, by the rest of the key.
    """

    name: str
    template: str
    bos: str
    eos: str
    adds_bos: bool
    context: int
    parameters: int = 0
    ends: tuple[str, ...] = ()
    embeds: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
