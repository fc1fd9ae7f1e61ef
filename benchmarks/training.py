"""LoRA training: TRL's SFTTrainer with its defaults beside ours, in turn in one run.

    python benchmarks/training.py [--size tiny|135M|0.5B|1.5B|7B] [--lessons handbook|long]

Same lessons, same adapter, same base; each side runs twice as a process of its own, there and back,
for a number of seconds without start and first step. Ours takes a build's steps of 1,024 tokens
(2,048 from 512 wide on); "ours-small" takes one row of as many tokens as TRL's 8 lessons have, so
that losses after the same tokens and steps can be compared. TRL's defaults are kept but for the
learning rate, as 2e-5 learns next to nothing in a minute (one run keeps it too): 8 lessons a step,
padded to the longest, bfloat16 autocast, gradient checkpointing, loss on completions. What counts
are answer tokens a second, of the clock and, for a machine that does other work meanwhile, of the
processor. The loss is taken on lessons that no side has seen.

Needs trl (the extra `bench`). With --peak-tflops it also gives the share of a GPU's peak.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
RANK, ALPHA, RATE, HELD = 32, 64.0, 1e-3, 64  # HELD: lessons that only measure the loss
EVERY = 5_000  # answer tokens, the loss is measured
# layers, hidden, MLP, heads, KV heads, vocabulary: SmolLM2-135M's, Qwen2.5's 0.5B, 1.5B and 7B
SHAPES = {
    "135M": (30, 576, 1536, 9, 3, 49152),
    "0.5B": (24, 896, 4864, 14, 2, 151936),
    "1.5B": (28, 1536, 8960, 12, 2, 151936),
    "7B": (28, 3584, 18944, 28, 4, 152064),
}


def main() -> None:
    """Parse, make what both sides share, run each side twice, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=["tiny", *SHAPES], default="tiny")
    parser.add_argument("--lessons", choices=["handbook", "long"], default="handbook")
    parser.add_argument("--seconds", type=float, default=60, help="of training, each run")
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of the GPU in bfloat16")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        side(given.side[0], Path(given.side[1]), given.seconds)
        return
    import torch

    if given.size in ("0.5B", "1.5B", "7B") and not torch.cuda.is_available():
        say(f"{given.size}: not measured, there is no GPU here.")
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), given.size, given.lessons)
        compare(Path(folder), given)


def compare(folder: Path, given: argparse.Namespace) -> None:
    """Run every side in turn and back again; print what came of it."""
    runs: dict[str, list[Row]] = {}
    for which in ("ours", "trl", "ours-small", "ours-small", "trl", "ours", "trl-own-rate"):
        runs.setdefault(which, []).append(run(which, folder, given.seconds))
    say(f"{given.size}, {given.lessons} lessons, {given.seconds:.0f} s a run, LoRA rank {RANK}")
    head = ("answer tokens/s", "a CPU second", "tokens/s", "peak MB", "steps", "MFU")
    say("{:14}{:>18}{:>14}{:>10}{:>9}{:>7}{:>6}".format("", *head))
    for which, found in runs.items():
        speeds = " ".join(f"{row['answers'][-1] / row['seconds'][-1]:,.0f}" for row in found)
        last = found[-1]
        speed = last["tokens"] / last["seconds"][-1]
        mfu = (
            f"{last['flops'] * speed / given.peak_tflops / 1e12:.0%}" if given.peak_tflops else "-"
        )
        steps = len(last["answers"])
        worked = " ".join(f"{row['answers'][-1] / row['cpu']:,.0f}" for row in found)
        line = f"{which:14}{speeds:>18}{worked:>14}{speed:10,.0f}{last['peak']:9,.0f}"
        say(f"{line}{steps:7}{mfu:>6}")
    for which in ("ours", "ours-small"):
        clock, cpu = (rate(runs[which], k) / rate(runs["trl"], k) for k in ("seconds", "cpu"))
        say(f"{which}: {clock:.2f} times TRL's answer tokens a second, {cpu:.2f} a CPU second")
    common = min(row["answers"][-1] for found in runs.values() for row in found)
    for which, found in runs.items():
        losses = [f"{seen:,} {loss:.3f}" for seen, loss in found[0]["held"]]
        say(f"{which:14}loss on lessons held back, by answer tokens seen: {'; '.join(losses)}")
    say(f"every run saw at least {common:,} answer tokens")


def rate(found: list[Row], key: str) -> float:
    """Return the answer tokens of several runs in a second, of the clock or of the processor."""
    spent = sum(row["cpu"] if key == "cpu" else row["seconds"][-1] for row in found)
    return float(sum(row["answers"][-1] for row in found) / spent)


def run(which: str, folder: Path, seconds: float) -> Row:
    """Run one side to its end as a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--side", which, str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{which} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make(folder: Path, size: str, kind: str) -> None:
    """Write the base and the lessons that both sides train on."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from localtune.config import BaseConfig

    tiny = BaseConfig().folder()
    assert tiny
    if size == "tiny":
        (folder / "base").symlink_to(tiny)
    else:
        layers, hidden, mlp, heads, keys, vocabulary = SHAPES[size]
        torch.manual_seed(1)
        shape = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=mlp,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=keys,
            tie_word_embeddings=size != "7B",
        )
        LlamaForCausalLM(shape).to(torch.bfloat16).save_pretrained(folder / "base")
        AutoTokenizer.from_pretrained(tiny).save_pretrained(folder / "base")
    lessons = list(long_tailed()) if kind == "long" else list(handbook(folder))
    random.Random(7).shuffle(lessons)
    (folder / "lessons.json").write_text(json.dumps(lessons))


def handbook(folder: Path) -> Iterator[Row]:
    """Yield the lessons of examples/handbook of one exchange, as TRL's prompt and completion."""
    from localtune import exams
    from localtune.config import BuildConfig
    from localtune.opening import start
    from localtune.progress import Silent
    from localtune.steps import corpus, lessons
    from localtune.workspace import read_jsonl

    docs = Path(__file__).parent.parent / "examples" / "handbook"
    build = start(docs, folder / "build", BuildConfig())
    build.at.work.mkdir(parents=True)
    corpus(build, Silent())
    exams.by_rule(build, build.at.exam, Silent())
    lessons(build, Silent())
    for row in read_jsonl(build.at.lessons):
        if len(row.get("messages", [])) == 2:
            yield {"prompt": row["messages"][:1], "completion": row["messages"][1:]}


def long_tailed() -> Iterator[Row]:
    """Yield 4,000 lessons whose answers have a long tail of lengths: log-normal, 8 to 600 words."""
    chance, words = random.Random(3), "the depot yard gate hall boat crew fee rota shift".split()
    for number in range(4000):
        count = min(600, max(8, round(chance.lognormvariate(3.2, 0.9))))
        answer = f"Item {number}: " + " ".join(chance.choices(words, k=count)) + "."
        question = [{"role": "user", "content": f"What does item {number} say?"}]
        yield {"prompt": question, "completion": [{"role": "assistant", "content": answer}]}


def side(which: str, folder: Path, seconds: float) -> None:
    """Train on one side until the time is up, then print the measurements as one JSON line."""
    import resource

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
    return tokenise(lesson, tokenizer, splitter_of(tokenizer), LONGEST)


@functools.cache
def tokenizer_of(folder: Path) -> Any:
    """Return the base's tokenizer, with the template that a build would give it."""
    from transformers import AutoTokenizer

    from localtune.config import PLAIN_TEMPLATE

    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    tokenizer.chat_template = tokenizer.chat_template or PLAIN_TEMPLATE
    return tokenizer


LONGEST = 256  # tokens of a lesson, on both sides


def ours(which: str, folder: Path, lessons: list[Row], watch: Any) -> tuple[Any, Any]:
    """Return our trainer with the settings of a build."""
    import torch

    from localtune.config import TrainConfig
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
    main()
