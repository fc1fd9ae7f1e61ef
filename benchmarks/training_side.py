"""One side of benchmarks/training.py: a base and lessons -> what training them took, as JSON.

    python benchmarks/training_side.py ours|ours-small|trl|trl-own-rate FOLDER SECONDS

FOLDER holds what training.py made. A process of its own, so that memory is the side's alone.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

Row = dict[str, Any]
RANK, ALPHA, RATE, HELD = 32, 64.0, 1e-3, 64  # HELD: lessons that only measure the loss
EVERY = 5_000  # answer tokens, the loss is measured


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def side(which: str, folder: Path, seconds: float) -> None:
    """Train on one side until the time is up, then print the measurements as one JSON line."""

    import torch

    lessons = json.loads((folder / "lessons.json").read_text())
    watch = watcher(seconds)
    trainer, model = (trl if which.startswith("trl") else ours)(
        which, folder, lessons[HELD:], watch
    )
    watch.held = held_loss(model, folder, lessons[:HELD])
    trainer.add_callback(watch)
    trainer.train()
    weights = sum(w.numel() for name, w in model.named_parameters() if "embed" not in name)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 1e6
    say(json.dumps({**watch.row, "peak": peak, "flops": 4 * weights}))


def watcher(seconds: float) -> Any:
    """Return a callback that counts and times steps, and ends a run when its time is up."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """Seconds are without the first step and without measuring the loss."""

        def __init__(self) -> None:
            self.row: Row = {"answers": [], "seconds": [], "held": [], "tokens": 0, "cpu": 0.0}
            self.pending, self.spent, self.held = (0, 0), 0.0, lambda: 0.0

        def count(self, batch: Any, real: int) -> None:
            """Note the tokens of the step that begins; `real` are those that aren't padding."""
            self.pending = (int((batch["labels"][:, 1:] != -100).sum()), real)

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began, self.worked = time.perf_counter(), time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            took = time.perf_counter() - self.began
            if state.global_step > 1:
                self.spent += took
                before = self.row["answers"][-1] if self.row["answers"] else 0
                self.row["answers"].append(before + self.pending[0])
                self.row["seconds"].append(self.spent)
                self.row["tokens"] += self.pending[1]
                self.row["cpu"] += time.process_time() - self.worked
                marks = len(self.row["held"]) + 1
                over = self.spent > seconds
                if over or before + self.pending[0] >= EVERY * marks:
                    self.row["held"].append((before + self.pending[0], self.held()))
                control.should_training_stop = over

    return Watch()


def held_loss(model: Any, folder: Path, lessons: list[Row]) -> Any:
    """Return a function that gives the loss of both sides in one way, a lesson at a time."""
    import torch

    examples = [tokens(folder, row) for row in lessons]

    def measure() -> float:
        total, count, was = 0.0, 0, model.training
        model.eval()
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16):
            for example in examples:
                ids = torch.tensor([example.ids], device=model.device)
                places = torch.arange(ids.shape[1], device=model.device)[None]
                logits = model(input_ids=ids, position_ids=places, use_cache=False).logits
                labels = torch.tensor(example.labels[1:], device=model.device)
                kept = labels != -100
                logits = logits[0, :-1][kept].float()
                wanted = labels[kept]
                total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
                count += len(wanted)
        model.train(was)
        return total / count

    return measure


def tokens(folder: Path, row: Row) -> Any:
    """Return a lesson's ids and labels as a build would make them."""
    from localtune.training.tokenise import splitter_of, tokenise

    tokenizer = tokenizer_of(folder)
    lesson = {"messages": [*row["prompt"], *row["completion"]]}
    return tokenise(lesson, tokenizer, splitter_of(tokenizer))


@functools.cache
def tokenizer_of(folder: Path) -> Any:
    """Return the base's tokenizer, with the template that a build would give it."""
    from transformers import AutoTokenizer

    from localtune.config.stages import PLAIN_TEMPLATE

    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    return tokenizer


LONGEST = 256  # tokens of a lesson, on both sides


def ours(which: str, folder: Path, lessons: list[Row], watch: Any) -> tuple[Any, Any]:
    """Return our trainer with the settings of a build."""
    import torch

    from localtune.config.stages import TrainConfig
    from localtune.training import train
    from localtune.training.lora import Recipe, rows_a_step
    from localtune.training.machine import halve_what_is_frozen, in_bf16, on_gpu
    from localtune.training.trainer import AnswerTrainer

    found = [tokens(folder, row) for row in lessons]
    alike = 8 * sum(len(lesson.ids) for lesson in found) // len(found)  # 8 lessons, TRL's step
    config = TrainConfig(max_length=max(LONGEST, alike) if which == "ours-small" else LONGEST)
    wide = torch.bfloat16 if on_gpu(config) else torch.float32
    _, model = train.load(folder / "base", wide)
    rows = 1 if which == "ours-small" else rows_a_step(config, model.config.hidden_size)
    plan = Recipe(RANK, ALPHA, RATE, 100_000, rows)
    data = train._rows(model, found, config, 0)
    model = train.get_peft_model(model, train._adapter(plan))
    if in_bf16(config) and not on_gpu(config):
        halve_what_is_frozen(model)
    arguments = train._arguments(plan, data, folder / "ours", config)
    arguments.save_strategy, arguments.warmup_steps = "no", 0

    class Counted(AnswerTrainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            # A row's padding begins anew at position 0 and has no labels: told by its ids, all 0.
            watch.count(inputs, int((inputs["input_ids"] != 0).sum()))
            return super().training_step(model, inputs, num_items_in_batch)

    trainer = Counted(model=model, args=arguments, train_dataset=data)
    trainer.warn = say
    return trainer, model


def trl(which: str, folder: Path, lessons: list[Row], watch: Any) -> tuple[Any, Any]:
    """Return TRL's trainer with its defaults, cut to the same length of lessons."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    chosen: Row = {} if which == "trl-own-rate" else {"learning_rate": RATE}
    settings = SFTConfig(
        output_dir=str(folder / "trl"),
        max_steps=100_000,
        max_length=LONGEST,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        **chosen,
    )

    class Counted(SFTTrainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            watch.count(inputs, int(inputs["attention_mask"].sum()))
            return super().training_step(model, inputs, num_items_in_batch)

    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = Counted(
        model=AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32),
        args=settings,
        train_dataset=Dataset.from_list(lessons),
        processing_class=tokenizer_of(folder),
        peft_config=lora,
    )
    return trainer, trainer.model


if __name__ == "__main__":
    side(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
