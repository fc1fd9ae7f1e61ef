"""Fine-tune the base on the lessons: base/ + lessons.jsonl -> adapter/ + metrics.jsonl.

transformers' Trainer with a PEFT LoRA adapter. Goes on from the last whole checkpoint in
`checkpoints`, with the same order of lessons and the same loss curve on a CPU.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging as transformers_logging

from localtune.config import TrainConfig
from localtune.errors import BaseModelError, TrainingError
from localtune.progress import Bar, Progress, Silent
from localtune.training.lora import Recipe, recipe
from localtune.training.loss import answer_loss
from localtune.training.tokenise import PLAIN_TEMPLATE, PackedRows, tokenise
from localtune.workspace import atomic_path, read_jsonl, write_jsonl


def train(base: Path, lessons: Path, adapter: Path, metrics: Path, checkpoints: Path, config: TrainConfig, progress: Progress = Silent()) -> Recipe:
    """Train and write the adapter (PEFT's format) and one metrics row per logged step.

    Raises BaseModelError where transformers can't load the base, TrainingError where the loss is
    no number any more.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)
    set_seed(config.seed)
    tokenizer, model = load(base)
    data = PackedRows((tokenise(row, tokenizer, config.max_length) for row in read_jsonl(lessons)), config.max_length, tokenizer.pad_token_id or 0)
    tokens = sum(len(lesson.ids) for row in data.rows for lesson in row)
    plan = recipe(config, tokens, len(data), model.config.hidden_size, model.config.model_type)
    progress.note(f"{tokens:,} tokens in {len(data)} rows; rank {plan.rank}, learning rate {plan.learning_rate:g}, {plan.steps} steps")
    model = get_peft_model(model, LoraConfig(r=plan.rank, lora_alpha=plan.alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    with progress.bar("train", plan.steps) as bar:
        history = _run(model, data, plan, checkpoints, config, bar)
    _save(model, tokenizer, adapter)
    write_jsonl(metrics, history)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return plan


def load(base: Path) -> tuple[Any, Any]:
    """Load tokenizer and model in float32 on a CPU, bfloat16 on a GPU; raise BaseModelError."""
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"transformers can't load the base: {str(error).splitlines()[0]}", "Check that --base is a causal language model saved with its tokenizer.") from error
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer, model


class AnswerTrainer(Trainer):
    """Trainer with the loss over answers only."""

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        return answer_loss(self.accelerator.unwrap_model(model), inputs)


class _Report(TrainerCallback):
    """Hand each logged step to the progress bar; stop at a loss that is no number."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._seen = bar, 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and loss != loss:
            raise TrainingError(f"The loss is no number any more at step {state.global_step}.", "Run again with a lower --learning-rate.")
        detail = f"loss {loss:.2f}" if loss is not None else ""
        self._bar.advance(state.global_step - self._seen, detail)
        self._seen = state.global_step


def _run(model: PeftModel, data: PackedRows, plan: Recipe, checkpoints: Path, config: TrainConfig, bar: Bar) -> list[dict[str, float]]:
    every = max(20, plan.steps // 10)
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(checkpoints), max_steps=plan.steps, per_device_train_batch_size=plan.rows, learning_rate=plan.learning_rate,
        lr_scheduler_type="linear", warmup_steps=max(1, round(0.03 * plan.steps)), weight_decay=0.0, max_grad_norm=1.0, optim="adamw_torch",
        save_strategy="steps", save_steps=every, save_total_limit=2, logging_steps=5, logging_nan_inf_filter=False, report_to=[], disable_tqdm=True,
        seed=config.seed, data_seed=config.seed, bf16=cuda or _cpu_has_bf16(), use_cpu=not cuda, dataloader_num_workers=0, remove_unused_columns=False,
        dataloader_pin_memory=cuda, label_names=["labels"],
    )
    trainer = AnswerTrainer(model=model, args=arguments, train_dataset=data, callbacks=[_Report(bar)])
    trainer.remove_callback(_printer())
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    kept = ("loss", "learning_rate", "epoch")
    return [{"step": row["step"], **{k: row[k] for k in kept}} for row in trainer.state.log_history if "loss" in row]


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX); elsewhere it is slower."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _save(model: PeftModel, tokenizer: Any, adapter: Path) -> None:
    with atomic_path(adapter) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
