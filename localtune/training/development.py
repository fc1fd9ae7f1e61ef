"""development.jsonl + a model in training -> the share of its questions that are answered right.

Asked at each checkpoint, in front of it, so that what a checkpoint keeps holds its own share: a run
that goes on from one ends as one that was never stopped. Of several processes the first asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import TrainerCallback, TrainerState

from localtune.machine import ranks
from localtune.prompts import with_system
from localtune.training.isolation import BY_LESSON
from localtune.training.tokenise import Split, render
from localtune.workspace import read_jsonl

ANSWER = 48  # tokens; a lesson answers with a whole statement, and few are longer
AT_ONCE = 8192  # tokens of questions with their answers that are kept at one time
SETTLED = 2  # checks in a row with every answer right, after which there is nothing to wait for


@dataclass(frozen=True)
class Development:
    """The questions that were set aside, and what says whether one is answered right."""

    file: Path
    is_correct: Callable[[str, list[str]], bool]
    system: str = ""


@dataclass(frozen=True)
class _Asked:
    prompt: list[int]
    answers: list[str]


class ValidationRecall(TrainerCallback):
    """Ask the questions at each checkpoint, remember which was best, and stop where all are right.

    `say` is told how many are right. Without questions it does nothing.
    """

    def __init__(
        self,
        development: Development | None,
        tokenizer: Any,
        split: Split,
        bf16: bool,
        say: Callable[[str], None],
    ) -> None:
        self._tokenizer, self._bf16, self._say = tokenizer, bf16, say
        self._is_correct = development.is_correct if development else None
        self._asked = list(_prompts(development, tokenizer, split)) if development else []
        self._ends = _ends(tokenizer, split) if self._asked else []

    def __len__(self) -> int:
        return len(self._asked)

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Forget a best checkpoint that went with a divergence."""
        if state.best_global_step and not _checkpoint(args, state.best_global_step).exists():
            state.best_global_step = state.best_metric = None

    def on_step_end(
        self, args: Any, state: TrainerState, control: Any, model: Any = None, **_: Any
    ) -> None:
        """Ask where a checkpoint is about to be written."""
        if not (self and control.should_save):
            return
        right = self._right_everywhere(model)
        share, number = right / len(self._asked), len(self._asked)
        state.log_history.append({"step": state.global_step, "development": share})
        if state.best_metric is None or share >= state.best_metric:
            state.best_metric, state.best_global_step = share, state.global_step
        said = f"step {state.global_step}: {right} of {number} development questions are right"
        if settled(state) and state.global_step < state.max_steps:
            control.should_training_stop = True
            said += f", {SETTLED} times in a row: training ends here"
        self._say(said)

    def _right_everywhere(self, model: PeftModel) -> int:
        """Return what the first process counts, in every process."""
        right = torch.zeros((), dtype=torch.long, device=model.device)
        if ranks.first():
            right += self.right(model)
        if ranks.count() > 1:
            torch.distributed.broadcast(right, 0)
        return int(right)

    def right(self, model: PeftModel) -> int:
        """Return how many questions the model answers right."""
        assert self._is_correct
        said = self._answers(model)
        pairs = zip(said, self._asked, strict=True)
        return sum(self._is_correct(text, one.answers) for text, one in pairs)

    def _answers(self, model: PeftModel) -> Iterator[str]:
        """Yield what is said to each question; where memory lacks, to half as many at one time."""
        longest = max(len(one.prompt) for one in self._asked) + ANSWER
        at, together = 0, max(1, AT_ONCE // longest)
        with _asking(model, self._bf16):
            while some := [one.prompt for one in self._asked[at : at + together]]:
                try:
                    said = self._batch(model, some)
                except torch.OutOfMemoryError:
                    if len(some) == 1:
                        raise
                    together = len(some) // 2
                    torch.cuda.empty_cache()
                    continue
                yield from said
                at += len(some)

    def _batch(self, model: PeftModel, prompts: list[list[int]]) -> list[str]:
        """Answer greedily, padded on the left."""
        longest, pad = max(map(len, prompts)), self._tokenizer.pad_token_id or 0
        ids = [[pad] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        made = model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            max_new_tokens=ANSWER,
            do_sample=False,
            num_beams=1,
            eos_token_id=self._ends,
            pad_token_id=pad,
            use_cache=True,
        )
        new: list[str] = self._tokenizer.batch_decode(made[:, longest:], skip_special_tokens=True)
        return new


def settled(state: TrainerState) -> bool:
    """Whether every question was right at the last checks."""
    return _shares(state)[-SETTLED:] == [1.0] * SETTLED


def _shares(state: TrainerState) -> list[float]:
    return [row["development"] for row in state.log_history if "development" in row]


def take_best(model: PeftModel, state: TrainerState, args: Any, questions: int) -> None:
    """Put the weights of the last checkpoint into the model, or of one that is clearly better.

    Only in the first process, which saves them, and removes the checkpoints while others read.
    """
    if ranks.first():
        step = state.best_global_step if _fell(state, questions) else state.global_step
        set_peft_model_state_dict(
            model, load_file(_checkpoint(args, step) / "adapter_model.safetensors")
        )


def _fell(state: TrainerState, questions: int) -> bool:
    """Whether fewer are right at the end than at best, by over two standard errors.

    A question or two is chance, and what the last steps teach at a low learning rate would go.
    """
    if state.best_metric is None:
        return False
    best, last = state.best_metric, _shares(state)[-1]
    p = (best + last) / 2
    return bool(best - last > 2 * math.sqrt(2 * p * (1 - p) / questions))


def _checkpoint(args: Any, step: int) -> Path:
    return Path(args.output_dir) / f"checkpoint-{step}"


def _prompts(development: Development, tokenizer: Any, split: Split) -> Iterator[_Asked]:
    for row in read_jsonl(development.file):
        said = with_system([{"role": "user", "content": row["question"]}], development.system)
        yield _Asked(split(render(tokenizer, said, True)), row["answers"])


def _ends(tokenizer: Any, split: Split) -> list[int]:
    """Return the special tokens that the template puts behind an answer, and the tokenizer's own.

    A base that wasn't made for chats has another end of text in its settings.
    """
    asked, said = ({"role": who, "content": "Yes"} for who in ("user", "assistant"))
    behind = split(render(tokenizer, [asked, said], False))
    behind = behind[len(split(render(tokenizer, [asked], True))) :]
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted({tokenizer.eos_token_id, *behind} & {tokenizer.eos_token_id, *special})


@contextmanager
def _asking(model: PeftModel, bf16: bool) -> Iterator[None]:
    """Let a model that is trained answer: attention by lesson knows no cache."""
    base, training = model.get_base_model(), model.training
    by_lesson = base.config.get_text_config()._attn_implementation == BY_LESSON
    if by_lesson:
        base.set_attn_implementation("sdpa")
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, bf16):
            yield
    finally:
        model.train(training)
        if by_lesson:
            base.set_attn_implementation(BY_LESSON)
