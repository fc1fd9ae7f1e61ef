"""lessons.jsonl -> token ids with labels, packed into rows. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from operator import itemgetter
from typing import Any

import torch
from jinja2 import TemplateError
from torch.utils.data import Dataset, default_collate

from localtune.config.stages import PLAIN_TEMPLATE as PLAIN_TEMPLATE
from localtune.control_tokens import ControlTokens, control_tokens
from localtune.errors import BaseModelError

Split = Callable[[str], list[int]]
Row = dict[str, Any]
RAISED_BY_TEMPLATES = (
    *(TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    RecursionError,
)
PLACES, NUMBERS = "places", "numbers"  # keys of a batch: of tokens, of lessons
IGNORED = -100  # the label of a token on which no loss is taken


@dataclass(frozen=True)
class Tokens:
    """One lesson: ids, and labels of the same length (IGNORED outside answers).

    `number` is its own among the lessons of a dataset, `start` that of its first token among all.
    """

    ids: list[int]
    labels: list[int]
    number: int = field(default=0, kw_only=True)
    start: int = field(default=0, kw_only=True)

    @property
    def is_replay(self) -> bool:
        """Whether the lesson keeps what the base said before, rather than teach something."""
        return False

    def more(self) -> dict[str, torch.Tensor]:
        """Return what else a row holds of this lesson, (tokens, …) each; all lessons the same."""
        return {}


def tokenise(lesson: Row, tokenizer: Any, split: Split, whole: bool = True) -> Tokens:
    """Tokenise a chat (loss on the assistant's turns) or a text (loss everywhere).

    A chat is rendered by the tokenizer's own template. `split` gives a text's ids as the runtime
    will. Of a chat that `chat_tokens` takes apart these are the tokens of the last answer. A text
    ends with the end-of-sequence token if it is `whole`.
    """
    if "text" in lesson:
        end = tokenizer.eos_token if whole else ""
        text = split(_control_tokens(tokenizer).neutralise(lesson["text"]) + end)
        return Tokens(text, [IGNORED, *text[1:]])
    return chat_tokens(lesson["messages"], tokenizer, split)[-1][1]


def chat_tokens(
    messages: list[dict[str, str]], tokenizer: Any, split: Split
) -> list[tuple[int, Tokens]]:
    """Return tokens with the number of messages that they are of: one for the whole chat.

    There is one for each answer, learned alone, where the template renders an answer otherwise
    once it is history, as those do that drop or add what a model thinks: the runtime will ask for
    each answer behind the history as it is then.
    """
    turns = list(_turns(messages, tokenizer, split))
    last = turns[-1][1].ids if turns else []
    if any(last[: len(tokens.ids)] != tokens.ids for _, tokens in turns):
        return turns
    labels = [IGNORED] * len(last)
    for _, tokens in turns:
        begin = next((i for i, label in enumerate(tokens.labels) if label != IGNORED), 0)
        labels[begin : len(tokens.ids)] = tokens.labels[begin:]
    return [(turns[-1][0], Tokens(last, labels))] if turns else []


def _turns(
    messages: list[dict[str, str]], tokenizer: Any, split: Split
) -> Iterator[tuple[int, Tokens]]:
    """Yield the tokens up to the end of each answer; the answer is learned."""
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = split(render(tokenizer, messages[:i], True))
            whole = split(render(tokenizer, messages[: i + 1], False))
            learned = whole[len(prompt) :]
            labels = [IGNORED] * (len(whole) - len(learned)) + learned
            yield i + 1, Tokens(whole, labels)


def splitter_of(tokenizer: Any) -> Split:
    """Return how transformers itself splits what a template rendered."""
    return lambda text: list(tokenizer(text, add_special_tokens=False).input_ids)


def render(tokenizer: Any, messages: list[dict[str, str]], generate: bool) -> str:
    """Return a conversation as text, up to where an answer begins where one is to be generated.

    Control tokens come from the template alone: those in a message are taken apart. Raises
    BaseModelError for what the chat template raises, which may be anything.
    """
    control = _control_tokens(tokenizer)
    plain = [{**said, "content": control.neutralise(said["content"])} for said in messages]
    try:
        return str(
            tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=generate)
        )
    except RAISED_BY_TEMPLATES as error:
        raise BaseModelError(
            f"The base's chat template can't render a conversation: {error}",
            "Fix the chat template in the base's folder, or choose another --base.",
        ) from error


@lru_cache(maxsize=4)
def _control_tokens(tokenizer: Any) -> ControlTokens:
    added = tokenizer.added_tokens_decoder.values()
    return control_tokens((str(token.content), token.special) for token in added)


class PackedRows(Dataset[dict[str, torch.Tensor]]):
    """Lessons packed first-fit by falling length into rows of at most `row` tokens.

    An item holds input_ids, labels, position_ids, places and numbers, each (row,). Positions start
    at 0 with each lesson, from which transformers makes a block-diagonal mask: no lesson sees
    another. `places` are the indices of the tokens in all lessons (`tokens` for padding), `numbers`
    the indices of their lessons (-1 for padding).
    """

    def __init__(self, lessons: Iterable[Tokens], row: int, pad: int) -> None:
        self.row, self._pad, found = row, pad, list(lessons)
        self.tokens = sum(len(lesson.ids) for lesson in found)
        starts = accumulate((len(lesson.ids) for lesson in found), initial=0)
        self.lessons = [
            replace(lesson, number=number, start=start)
            for number, (lesson, start) in enumerate(zip(found, starts, strict=False))
        ]
        self.rows: list[list[Tokens]] = pack(self.lessons, row)

    collate = staticmethod(default_collate)  # a step is several items

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.item(self.rows[index])

    def item(self, lessons: list[Tokens]) -> dict[str, torch.Tensor]:
        """Return lessons that fit into a row as an item."""
        ids: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        places: list[int] = []
        numbers: list[int] = []
        for lesson in lessons:
            size = len(lesson.ids)
            ids += lesson.ids
            labels += [IGNORED, *lesson.labels[1:]]
            positions += range(size)
            places += range(lesson.start, lesson.start + size)
            numbers += [lesson.number] * size
        empty = self.row - len(ids)
        more = _joined([lesson.more() for lesson in lessons], empty)
        return {
            **more,
            "input_ids": torch.tensor(ids + [self._pad] * empty),
            "labels": torch.tensor(labels + [IGNORED] * empty),
            "position_ids": torch.tensor(positions + list(range(empty))),
            PLACES: torch.tensor(places + [self.tokens] * empty),
            NUMBERS: torch.tensor(numbers + [-1] * empty),
        }


def _joined(parts: list[dict[str, torch.Tensor]], empty: int) -> dict[str, torch.Tensor]:
    """Put what the lessons of a row hold behind one another, and zeros behind that."""
    joined = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    return {
        key: torch.cat([values, values.new_zeros((empty, *values.shape[1:]))])
        for key, values in joined.items()
    }


class GroupedLessons(Dataset[dict[str, torch.Tensor]]):
    """One lesson a row, for models in which the lessons of a packed row would see each other.

    An item is a whole step: lessons of like length, padded on the right to the longest, `tokens`
    in all at most. Positions run on through the padding, which nothing before it sees.
    """

    def __init__(self, lessons: Iterable[Tokens], tokens: int, pad: int) -> None:
        self._pad = pad
        self.rows: list[list[Tokens]] = group(list(lessons), tokens)

    collate = staticmethod(itemgetter(0))  # a step is one item

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        longest = max(len(lesson.ids) for lesson in self.rows[index])
        alone = PackedRows([], longest, self._pad)
        alone.rows = [[lesson] for lesson in self.rows[index]]
        items = [alone[i] for i in range(len(alone))]
        step = {key: torch.stack([item[key] for item in items]) for key in items[0]}
        return {**step, "position_ids": torch.arange(longest).expand(len(items), -1)}


Rows = PackedRows | GroupedLessons


def group(lessons: list[Tokens], tokens: int) -> list[list[Tokens]]:
    """Sort each 1,000 lessons by length and cut them into steps of at most `tokens`, padded."""
    steps: list[list[Tokens]] = []
    for begin in range(0, len(lessons), 1000):
        step: list[Tokens] = []
        for lesson in sorted(lessons[begin : begin + 1000], key=lambda lesson: len(lesson.ids)):
            if step and len(lesson.ids) * (len(step) + 1) > tokens:
                steps.append(step)
                step = []
            step.append(lesson)
        steps.append(step)
    return steps


def pack(lessons: list[Tokens], row: int) -> list[list[Tokens]]:
    """First fit in the given order into 64 open rows: rows stay mixed, and little is wasted."""
    done: list[list[Tokens]] = []
    open_rows: list[tuple[list[Tokens], int]] = []
    for lesson in lessons:
        size = len(lesson.ids)
        for i, (held, used) in enumerate(open_rows):
            if used + size <= row:
                held.append(lesson)
                open_rows[i] = (held, used + size)
                break
        else:
            open_rows.append(([lesson], size))
            if len(open_rows) > 64:
                fullest = max(range(len(open_rows)), key=lambda i: open_rows[i][1])
                done.append(open_rows.pop(fullest)[0])
    return done + [held for held, _ in open_rows]
