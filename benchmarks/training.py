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
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import training_side
from training_side import RANK, Row, say

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
    given = parser.parse_args()
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
    command = [sys.executable, training_side.__file__, which, str(folder), str(seconds)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{which} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def make(folder: Path, size: str, kind: str) -> None:
    """Write the base and the lessons that both sides train on."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from localtune.config.stages import BaseConfig

    tiny = BaseConfig("tiny").folder()
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
    from localtune.build import exams
    from localtune.build.open_build import start
    from localtune.build.steps import corpus, lessons
    from localtune.config.stages import BuildConfig
    from localtune.progress import Silent
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


if __name__ == "__main__":
    main()
