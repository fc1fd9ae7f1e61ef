"""Fine-tune the base: base/ + lessons.jsonl + development.jsonl -> adapter/ + metrics.jsonl.

transformers' Trainer with a PEFT LoRA adapter. Goes on from the last whole checkpoint in
`checkpoints`, with the same order of lessons and, on a CPU with a fixed number of threads, the same
loss curve; takes a checkpoint that answered clearly more of the development questions than the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from localtune.config.stages import NF4, TrainConfig
from localtune.loading import LOCAL, not_loaded
from localtune.machine import ranks
from localtune.machine.cores import use_threads
from localtune.progress import Progress, Silent
from localtune.training import four_bit
from localtune.training.checkpoints import (
    full_disk_is_an_os_error,
    go_back,
    last_whole,
    rate_of,
    steps_between,
)
from localtune.training.development import Development, ValidationRecall, settled, take_best
from localtune.training.isolation import attend_by_lesson, isolates
from localtune.training.layer_inputs import LayerInputs, keep_layer_inputs
from localtune.training.layers import adapter_for, first_trained, save_adapter, with_lora
from localtune.training.lengths import fit_for, row_length, text_tokens
from localtune.training.lora import Amount, Recipe, recipe, rows_a_step
from localtune.training.machine import in_bf16, on_gpu
from localtune.training.soft_rows import Targets
from localtune.training.stream import StreamState, stream_from
from localtune.training.tokenise import (
    PLAIN_TEMPLATE,
    GroupedLessons,
    PackedRows,
    Rows,
    Split,
    Tokens,
    splitter_of,
)
from localtune.training.trainer import AnswerTrainer, Diverged, Rate, Report, Whole
from localtune.workspace import read_jsonl, remove, write_jsonl

HALVINGS = 5  # of the learning rate, where the loss diverges


@dataclass(frozen=True)
class _Learned:
    """The lessons of a run, and the inputs of the first trained layer where they are kept."""

    rows: Rows
    inputs: LayerInputs | None


def train(
    base: Path,
    lessons: Path,
    adapter: Path,
    metrics: Path,
    checkpoints: Path,
    config: TrainConfig,
    progress: Progress = Silent(),
    split: Split | None = None,
    targets: Path | None = None,
    development: Development | None = None,
    trained_upon: Path | None = None,
) -> Recipe:
    """Train and write the adapter (PEFT's format) and one metrics row per logged step.

    The questions of `development` are asked at each checkpoint; the row of that says which share
    was right. Training ends early where all are right twice in a row. `trained_upon` becomes a copy
    of a base in 4 bits, as it was trained upon, unless the base itself answers better.

    `split` gives a text's token ids as the runtime will; None leaves it to transformers. `targets`
    holds the soft targets of lessons that ask for some, where any does. Where the
    loss diverges training goes back to where it was well, with half the learning rate; a step that
    lacks memory is done in parts. Raises BaseModelError where transformers can't load the base,
    TrainingError where neither helps.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    set_seed(config.seed)
    wide = torch.bfloat16 if on_gpu(config) and in_bf16(config) else torch.float32
    tokenizer, model = load(base, wide, **four_bit.how_to_load(config))
    split = split or splitter_of(tokenizer)
    kept, fit = Targets(targets), fit_for(config, model.config, tokenizer, split)
    fitted = [pair for row in read_jsonl(lessons) for pair in fit.of(row)]
    found = [kept.beside(*pair) for pair in fitted]
    fit.report(progress)
    config = replace(config, max_length=row_length(config, fit.limit, found))
    data = _rows(model, found, config, tokenizer.pad_token_id or 0)
    tokens = sum(len(lesson.ids) for lesson in found)
    packed = len(data) if isinstance(data, PackedRows) else -(-tokens // config.max_length)
    shape = model.config.get_text_config()
    plan = recipe(
        config, Amount(text_tokens(fitted), packed), shape.hidden_size, shape.num_hidden_layers
    )
    progress.note(
        f"{tokens:,} tokens in {packed} rows; {plan.steps} steps, learning rate "
        f"{plan.learning_rate:g}, rank {plan.rank} on {plan.layers} of {shape.num_hidden_layers} "
        "layers"
    )
    inputs = None
    if isinstance(data, PackedRows) and not on_gpu(config) and ranks.count() == 1:
        inputs = keep_layer_inputs(model, first_trained(model, plan), tokens, checkpoints, progress)
    model = with_lora(model, plan, config)
    with (
        use_threads(config.threads),
        progress.bar("train", plan.steps) as bar,
        full_disk_is_an_os_error(checkpoints),
    ):
        recall = ValidationRecall(development, tokenizer, split, in_bf16(config), progress.note)
        report = Report(bar, progress.warn)
        learned = _Learned(data, inputs)
        history = _run(model, learned, plan, checkpoints, config, report, recall)
    losses = [row["loss"] for row in history if "loss" in row]
    if losses:
        progress.note(f"loss {losses[-1]:.2f} nats a token")
    if ranks.first():
        with full_disk_is_an_os_error(adapter.parent):
            if trained_upon:
                last = history[-1]["step"] if history else 0
                merged = _merged(model, base, trained_upon, plan, config, recall, progress)
                history += [{"step": last, **merged}] if merged else []
            save_adapter(model, tokenizer, adapter)
        write_jsonl(metrics, history)
        remove(checkpoints)
    return plan


def _rows(model: Any, lessons: Iterable[Tokens], config: TrainConfig, pad: int) -> Rows:
    """Pack lessons into rows, or give each a row of its own where the model would mix them."""
    if not on_gpu(config):
        attend_by_lesson(model, config.max_length)
    if isolates(model):
        return PackedRows(lessons, config.max_length, pad)
    step = rows_a_step(config) * config.max_length
    return GroupedLessons(lessons, step, pad)


def _merged(
    model: PeftModel,
    base: Path,
    out: Path,
    plan: Recipe,
    config: TrainConfig,
    recall: ValidationRecall,
    progress: Progress,
) -> dict[str, Any]:
    """Settle what the adapter is merged into, and return what metrics.jsonl says of it, if any."""
    if config.precision != NF4:
        remove(out)
        return {}

    def on_base() -> PeftModel:
        _, own = load(base, torch.bfloat16 if in_bf16(config) else torch.float32)
        tuned = get_peft_model(own, adapter_for(own, plan))
        set_peft_model_state_dict(tuned, get_peft_model_state_dict(model))
        return four_bit.where_it_fits(tuned, on_gpu(config))

    right = recall.right if recall else None
    return four_bit.choose(model, base, out, right, on_base, progress).row()


def load(base: Path, dtype: torch.dtype = torch.float32, **more: Any) -> tuple[Any, Any]:
    """Load tokenizer and model; `more` goes to from_pretrained. Raises BaseModelError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, **LOCAL)
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, use_safetensors=True, **LOCAL, **more
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise not_loaded(error) from error
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer, model


def _run(
    model: PeftModel,
    learned: _Learned,
    plan: Recipe,
    checkpoints: Path,
    config: TrainConfig,
    report: Report,
    recall: ValidationRecall,
) -> list[dict[str, float]]:
    """Train from the last whole checkpoint, if any; return a row for each logged step."""
    untrained = {k: v.clone() for k, v in get_peft_model_state_dict(model).items()}
    plan = replace(plan, learning_rate=rate_of(checkpoints) or plan.learning_rate)
    well = -1
    for left in range(HALVINGS, -1, -1):
        try:
            arguments = _arguments(plan, learned.rows, checkpoints, config, 3 if recall else 2)
            return _attempt(model, learned, plan, arguments, report, recall)
        except Diverged as found:
            if not left:
                raise found.at_every_rate(plan.learning_rate) from found
            plan = replace(plan, learning_rate=plan.learning_rate / 2)
            set_peft_model_state_dict(model, untrained)
            if ranks.first():
                # Where that didn't help the last time, the model was lost by then already.
                go_back(checkpoints, found.well - (found.well == well), plan.learning_rate)
            well = found.well
            report.warn(f"{found}; it goes back, to a learning rate of {plan.learning_rate:g}")
    raise AssertionError


def _attempt(
    model: PeftModel,
    learned: _Learned,
    plan: Recipe,
    arguments: TrainingArguments,
    report: Report,
    recall: ValidationRecall,
) -> list[dict[str, float]]:
    with arguments.main_process_first():  # it removes half-written ones, which no other may see
        last = last_whole(Path(str(arguments.output_dir)))
    data, stream = learned.rows, None
    if isinstance(data, PackedRows):
        stream = stream_from(data, arguments.seed, plan.rests, last)
    trainer = AnswerTrainer(
        model=model, args=arguments, train_dataset=stream or data, data_collator=data.collate
    )
    trainer.warn, trainer.layer_inputs = report.warn, learned.inputs
    trainer.remove_callback(PrinterCallback)
    for callback in (report, recall, *([StreamState(stream)] if stream else []), Whole(), Rate()):
        trainer.add_callback(callback)
    state = TrainerState.load_from_json(str(Path(last) / TRAINER_STATE_NAME)) if last else None
    if not state or not (settled(state) or state.global_step >= arguments.max_steps):
        trainer.train(resume_from_checkpoint=last)
        state = trainer.state
    take_best(model, state, arguments, len(recall))
    wanted = {"loss", "development"}
    kept = ("step", "loss", "learning_rate", "development")
    rows = (row for row in state.log_history if wanted & row.keys())
    return [{key: row[key] for key in kept if key in row} for row in rows]


def _arguments(
    plan: Recipe, data: Rows, checkpoints: Path, config: TrainConfig, kept: int = 2
) -> TrainingArguments:
    cuda = on_gpu(config)
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.rows if isinstance(data, PackedRows) else 1,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=max(1, round(0.03 * plan.steps)),
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        save_strategy="steps",
        save_steps=steps_between(plan.steps),
        save_total_limit=kept,  # the newest two, and the best
        logging_steps=min(5, plan.steps),
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        bf16=in_bf16(config),
        use_cpu=not cuda,
        ddp_backend=("nccl" if cuda else "gloo") if ranks.count() > 1 else None,
        remove_unused_columns=False,
        ignore_data_skip=isinstance(data, PackedRows),
        dataloader_pin_memory=cuda,
        label_names=["labels"],
    )
