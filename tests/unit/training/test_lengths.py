"""Lessons longer than a row: nothing is cut without a word, and every answer ends with its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from localtune.config.stages import BaseConfig, TrainConfig
from localtune.errors import ConfigError, TrainingError
from localtune.progress import Progress, Silent
from localtune.training.lengths import Fit, fit_for, halves, row_length
from localtune.training.rehearse import pack_lessons
from localtune.training.tokenise import IGNORED, Tokens, chat_tokens, splitter_of, tokenise
from localtune.training.train import train
from localtune.workspace import write_jsonl

BASE = BaseConfig("tiny").folder()
assert BASE
# As Qwen 3 does: the last answer is rendered with what it thought, history without.
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Noted(Silent):
    """Progress that keeps its warnings and notes."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BASE)


def chat(*sizes: int) -> dict[str, Any]:
    """Return a chat whose answers have these numbers of sentences."""
    messages = []
    for n, size in enumerate(sizes):
        messages.append({"role": "user", "content": f"What does part {n} say?"})
        answer = " ".join(f"Gate {i} opens at noon." for i in range(size))
        messages.append({"role": "assistant", "content": answer})
    return {"id": str(sizes), "messages": messages}


def fit(tokenizer: Any, **config: int) -> Fit:
    base = AutoConfig.from_pretrained(BASE)
    return fit_for(TrainConfig(**config), base, tokenizer, splitter_of(tokenizer))


def learned(tokens: Tokens) -> list[int]:
    return [label for label in tokens.labels if label != IGNORED]


def warnings_of(made: Fit) -> list[str]:
    progress = Noted()
    made.report(progress)
    return progress.warnings


def test_a_chat_keeps_the_turns_that_fit_and_their_ends(tokenizer: Any) -> None:
    made = fit(tokenizer, max_length=128)
    [(row, tokens)] = made.of(chat(4, 4, 40))
    assert len(row["messages"]) == 4
    assert len(tokens.ids) <= 128
    text = tokenizer.decode(learned(tokens))
    assert text.count("<|im_end|>") == 2
    [message] = warnings_of(made)
    assert message.startswith("1 of 1 chats are longer than --max-length 128 (longest: ")
    assert "1 keep the turns that fit, 0 are left out. Raise --max-length" in message


def test_a_chat_whose_first_answer_does_not_fit_is_left_out_and_counted(tokenizer: Any) -> None:
    made = fit(tokenizer, max_length=64)
    rows = [pair for lesson in (chat(1), chat(40), chat(2, 1)) for pair in made.of(lesson)]
    assert len(rows) == 2
    assert warnings_of(made)[0].startswith("1 of 3 chats are longer than --max-length 64")
    assert "0 keep the turns that fit, 1 are left out" in warnings_of(made)[0]


def test_what_fits_is_kept_whole_without_a_warning(tokenizer: Any) -> None:
    made = fit(tokenizer)
    long = chat(30, 10)
    [(row, tokens)] = made.of(long)
    assert row == long
    assert 256 < len(tokens.ids) <= 512
    assert not warnings_of(made)


def test_the_row_follows_the_longest_lesson(tokenizer: Any) -> None:
    config, made = TrainConfig(), fit(tokenizer)
    short, long = ([tokens for _, tokens in made.of(chat(n))] for n in (2, 40))
    assert row_length(config, made.limit, short) == 256  # which the recipes were measured with
    assert row_length(config, made.limit, [*short, *long]) == len(long[0].ids) > 256
    assert row_length(TrainConfig(max_length=64), 64, short) == 64


def test_the_limit_is_the_options_or_what_a_step_and_the_base_hold(tokenizer: Any) -> None:
    assert fit(tokenizer).limit == 512  # the context of the built-in base
    assert "the base's context of 512 tokens" in fit(tokenizer, max_length=1000).source
    assert fit(tokenizer, max_length=300).limit == 300
    assert fit(tokenizer, batch_tokens=400).limit == 400
    base = AutoConfig.from_pretrained(BASE, max_position_embeddings=40_000)
    made = fit_for(TrainConfig(), base, tokenizer, splitter_of(tokenizer))
    assert made.limit == 2048
    assert "--max-length" in made.remedy


def test_a_long_text_is_divided_and_nothing_of_it_is_lost(tokenizer: Any) -> None:
    text = "\n".join(f"Line {n}. It has two sentences, both short." for n in range(99))
    made = fit(tokenizer, max_length=64)
    pieces = list(made.of({"text": text}))
    assert all(len(tokens.ids) <= 64 for _, tokens in pieces)
    assert "\n".join(row["text"] for row, _ in pieces) == text
    ends = [tokens.ids[-1] == tokenizer.eos_token_id for _, tokens in pieces]
    assert ends == [False] * (len(pieces) - 1) + [True]
    progress = Noted()
    made.report(progress)
    assert progress.notes == ["1 texts longer than --max-length 64 were divided"]


@pytest.mark.parametrize(
    "text", ["x" * 4000, "東京" * 900, " " * 3000 + "a", "a b " * 900, "\n" * 999]
)
def test_any_text_is_divided_into_pieces_that_fit(text: str, tokenizer: Any) -> None:
    pieces = list(fit(tokenizer, max_length=16).of({"text": text}))
    assert all(0 < len(tokens.ids) <= 16 for _, tokens in pieces)
    assert "".join("".join(row["text"].split()) for row, _ in pieces) == "".join(text.split())


def test_halves_are_cut_where_it_hurts_least() -> None:
    assert halves("One two.\nThree four.") == ["One two.", "Three four."]
    assert halves("One two. Three four.") == ["One two.", "Three four."]
    assert halves("abcdef ghijkl") == ["abcdef", "ghijkl"]
    assert halves("abcdef") == ["abc", "def"]


def test_an_answer_that_history_shows_otherwise_is_a_lesson_of_its_own(tokenizer: Any) -> None:
    """Each is learned behind the history that the runtime will show, and no label is displaced."""
    tokenizer.chat_template = THINKS
    split, messages = splitter_of(tokenizer), chat(1, 2, 1)["messages"]
    found = chat_tokens(messages, tokenizer, split)
    assert [count for count, _ in found] == [2, 4, 6]
    for count, tokens in found:
        asked = tokenizer.apply_chat_template(
            messages[: count - 1], tokenize=False, add_generation_prompt=True
        )
        answer = f"<think>\n\n</think>\n\n{messages[count - 1]['content']}<|im_end|>\n"
        assert tokens.ids == split(asked + answer)
        assert tokens.labels == [IGNORED] * len(split(asked)) + split(answer)
    rows = [row for row, _ in fit(tokenizer).of({"messages": messages})]
    assert [len(row["messages"]) for row in rows] == [2, 4, 6]


def test_an_ordinary_chat_is_one_lesson_with_every_answer_learned(tokenizer: Any) -> None:
    messages = chat(1, 2)["messages"]
    [(count, tokens)] = chat_tokens(messages, tokenizer, splitter_of(tokenizer))
    assert count == 4
    assert tokens == tokenise({"messages": messages}, tokenizer, splitter_of(tokenizer))
    text = tokenizer.decode(learned(tokens))
    assert text.split("<|im_end|>\n") == [messages[1]["content"], messages[3]["content"], ""]


def run(folder: Path, rows: list[dict[str, Any]], config: TrainConfig, progress: Progress) -> None:
    write_jsonl(folder / "lessons.jsonl", rows)
    outputs = (folder / "adapter", folder / "metrics.jsonl", folder / "checkpoints")
    train(BASE, folder / "lessons.jsonl", *outputs, config, progress)


@pytest.mark.slow
def test_training_warns_of_what_does_not_fit_before_it_begins(tmp_path: Path) -> None:
    progress = Noted()
    run(tmp_path, [chat(2), chat(200)], TrainConfig(steps=1, rank=2), progress)
    [message] = progress.warnings
    assert message.startswith("1 of 2 chats are longer than the base's context of 512 tokens")


def test_lessons_none_of_which_fits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="No lesson fits into 16 tokens") as refused:
        run(tmp_path, [chat(20)], TrainConfig(steps=1, max_length=16), Noted())
    assert "--max-length" in refused.value.hint


def test_an_estimate_packs_as_training_does(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "lessons.jsonl", [chat(2), chat(40)])
    packed = pack_lessons(BASE, tmp_path / "lessons.jsonl", TrainConfig(), None)
    assert 256 < packed.row <= 512
    assert packed.tokens > packed.row
    assert packed.rows == 2


@pytest.mark.parametrize("values", [{"max_length": 8}, {"batch_tokens": 8}, {"max_length": -1}])
def test_a_length_that_holds_no_lesson_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        TrainConfig(**values).check()


def test_a_step_smaller_than_a_lesson_is_refused() -> None:
    with pytest.raises(ConfigError, match="--max-length"):
        TrainConfig(max_length=256, batch_tokens=128).check()
    TrainConfig(batch_tokens=128).check()
