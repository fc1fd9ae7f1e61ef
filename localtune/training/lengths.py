"""How long a lesson may be, and what becomes of a longer one: nothing is cut without being counted.

A text is divided. A chat keeps the turns that fit, so that each answer ends with its end-of-turn
token; one whose first answer doesn't fit is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.config.stages import TrainConfig
from localtune.errors import TrainingError
from localtune.progress import Progress
from localtune.prompts import Message
from localtune.training.lora import USUAL_ROW_TOKENS
from localtune.training.soft_rows import Lesson
from localtune.training.tokenise import Split, Tokens, chat_tokens, tokenise

MAX_CHOSEN_TOKENS = 2048  # of a lesson, where --max-length is 0: memory grows with it
BREAKS = ("\n", ". ", " ")  # where a text is divided, the best first


@dataclass
class Fit:
    """Fits lessons into `limit` tokens and counts those that don't fit.

    `source` says where the limit is from, `remedy` what to do about it.
    """

    tokenizer: Any
    split: Split
    limit: int
    source: str
    remedy: str
    chats: int = 0
    shortened: int = 0
    left_out: int = 0
    divided: int = 0  # texts
    longest: int = 0  # tokens

    def of(self, lesson: Lesson) -> Iterator[tuple[Lesson, Tokens]]:
        """Yield what a lesson is trained as, each with its tokens: mostly itself."""
        if "text" in lesson:
            pieces = list(self._pieces(lesson))
            self.divided += len(pieces) > 1
            yield from pieces
            return
        self.chats += 1
        for messages, tokens in self._chat(lesson["messages"]):
            yield {**lesson, "messages": messages}, tokens

    def _pieces(self, lesson: Lesson, whole: bool = True) -> Iterator[tuple[Lesson, Tokens]]:
        """Yield parts of a text that fit; only the last ends with the end-of-sequence token."""
        tokens = tokenise(lesson, self.tokenizer, self.split, whole)
        if len(tokens.ids) <= self.limit:
            yield lesson, tokens
            return
        parts = halves(lesson["text"])
        for number, half in enumerate(parts, 1):
            yield from self._pieces({**lesson, "text": half}, whole and number == len(parts))

    def _chat(self, messages: list[Message]) -> list[tuple[list[Message], Tokens]]:
        """Return the turns that fit; see `chat_tokens` for why they may be several lessons."""
        found = chat_tokens(messages, self.tokenizer, self.split)
        size = max((len(tokens.ids) for _, tokens in found), default=0)
        if size <= self.limit:
            return [(messages[:count], tokens) for count, tokens in found]
        self.longest = max(self.longest, size)
        ends = [i + 1 for i, said in enumerate(messages) if said["role"] == "assistant"]
        fitting = bisect_right(ends, self.limit, key=lambda end: self._size(messages[:end]))
        self.shortened += fitting > 0
        self.left_out += fitting == 0
        kept = messages[: ends[fitting - 1]] if fitting else []
        found = chat_tokens(kept, self.tokenizer, self.split)
        return [(kept[:count], tokens) for count, tokens in found]

    def _size(self, messages: list[Message]) -> int:
        return len(tokenise({"messages": messages}, self.tokenizer, self.split).ids)

    def report(self, progress: Progress) -> None:
        """Warn of chats that are not learned whole, and note which texts were divided."""
        if longer := self.shortened + self.left_out:
            progress.warn(
                f"{longer:,} of {self.chats:,} chats are longer than {self.source} "
                f"(longest: {self.longest:,} tokens): {self.shortened:,} keep the turns that fit, "
                f"{self.left_out:,} are left out. {self.remedy}"
            )
        if self.divided:
            progress.note(f"{self.divided:,} texts longer than {self.source} were divided")


def fit_for(config: TrainConfig, base: Any, tokenizer: Any, split: Split) -> Fit:
    """Return what fits lessons to --max-length, or to a step and the context of a base.

    `base` is its configuration as transformers has it.
    """
    context = getattr(base.get_text_config(), "max_position_embeddings", None)
    chosen = min(MAX_CHOSEN_TOKENS, config.batch_tokens or MAX_CHOSEN_TOKENS)
    limit = config.max_length or chosen
    if context and context < limit:
        source = f"the base's context of {context:,} tokens"
        return Fit(tokenizer, split, context, source, "Choose a --base with a longer context.")
    source = f"--max-length {limit:,}" if config.max_length else f"{limit:,} tokens"
    return Fit(tokenizer, split, limit, source, "Raise --max-length, which takes more memory.")


def text_tokens(fitted: Iterable[tuple[Lesson, Tokens]]) -> int:
    """Return the tokens of the lessons that are texts: those of the documents."""
    return sum(len(tokens.ids) for lesson, tokens in fitted if "text" in lesson)


def row_length(config: TrainConfig, limit: int, lessons: list[Tokens]) -> int:
    """Return the tokens of a packed row. Raises TrainingError where no lesson is left."""
    if not lessons:
        raise TrainingError(
            f"No lesson fits into {limit:,} tokens.",
            "Raise --max-length, choose a --base with a longer context, or shorten the documents.",
        )
    longest = max(len(lesson.ids) for lesson in lessons)
    return limit if config.max_length else min(limit, max(USUAL_ROW_TOKENS, longest))


def halves(text: str) -> list[str]:
    """Divide a text near its middle: between lines, else sentences, else words, else anywhere."""
    low, middle, high = len(text) // 4, len(text) // 2, 3 * len(text) // 4
    for mark in BREAKS:
        around = (text.rfind(mark, low, middle), text.find(mark, middle, high))
        places = [at + len(mark) for at in around if at >= 0]
        if places:
            middle = min(places, key=lambda at: abs(at - middle))
            break
    return [half for half in (text[:middle].rstrip(), text[middle:].lstrip()) if half]


@dataclass(frozen=True)
class Lessons:
    """Where lessons lie, and what all of them come to.

    `corpus` is the tokens of the documents, `row` those of a packed row, `answers` the share of
    tokens that is learned, `said` the tokens of an answer, `seconds` what tokenising all will take.
    `aside` are the questions set aside, where there are any.
    """

    file: Path
    aside: Path | None
    tokens: int
    corpus: int
    rows: int
    row: int
    answers: float
    said: float
    seconds: float

    @property
    def memory(self) -> int:
        """Return the bytes that all lessons take as lists in CPython (measured: 843,443, 68 MB)."""
        return self.tokens * 80
