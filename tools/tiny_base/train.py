"""Train the built-in base model: tokenizer, weights, configuration, into one folder.

python tools/tiny_base/train.py --text TEXTS.jsonl.gz --out FOLDER --work CHECKPOINTS --steps 2400

Seeded; a checkpoint every 250 steps in --work lets it go on after a stop. The learning rate warms
up, stays, and falls linearly over the last 40 % of --steps; a run whose --steps is raised before
that goes on at the full rate (Hägele et al. 2024, arXiv:2405.18392).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))
from lessons import END, Piece, examples, read_english

VOCABULARY, ROW, ROWS, CHECKPOINT = 4096, 256, 16, 250
START, STOP, IGNORED = "<|im_start|>", "<|im_end|>", -100
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SHAPE = LlamaConfig(
    vocab_size=VOCABULARY,
    hidden_size=256,
    num_hidden_layers=6,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=768,
    max_position_embeddings=512,
    tie_word_embeddings=True,
    bos_token_id=None,
    eos_token_id=2,
    pad_token_id=0,
    rms_norm_eps=1e-5,
)


def make_tokenizer(texts: list[str], folder: Path) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of 4,096 tokens on the mix, with GPT-2's splitting."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, START, STOP],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sample = itertools.islice(examples(texts, 1), 40_000)
    tok.train_from_iterator(("".join(map(_plain, example)) for example in sample), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tok,
        eos_token=STOP,
        pad_token=END,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
    return fast


def _plain(piece: Piece) -> str:
    text, _ = piece
    return text.replace(START, "").replace(STOP, "").replace(END, "")


def tokens_of(example: list[Piece], tok: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Give ids and labels (-100 where no loss is taken), cut to one row."""
    ids: list[int] = []
    labels: list[int] = []
    for text, counts in example:
        piece = tok.encode(text, add_special_tokens=False)
        ids += piece
        labels += piece if counts else [IGNORED] * len(piece)
    labels[0] = IGNORED
    return ids[:ROW], labels[:ROW]


def rows(
    texts: list[str], tok: PreTrainedTokenizerFast, seed: int
) -> Iterator[dict[str, list[int]]]:
    """Pack examples into rows; positions start anew with each, which keeps them apart."""
    row: dict[str, list[int]] = {"input_ids": [], "labels": [], "position_ids": []}
    for ids, labels in (tokens_of(example, tok) for example in examples(texts, seed)):
        free = ROW - len(row["input_ids"])
        if len(ids) > free:
            fill = ([0] * free, [IGNORED] * free, list(range(free)))
            yield {name: held + more for (name, held), more in zip(row.items(), fill, strict=True)}
            row = {"input_ids": [], "labels": [], "position_ids": []}
        row["input_ids"] += ids
        row["labels"] += labels
        row["position_ids"] += range(len(ids))


def batches(
    texts: list[str], tok: PreTrainedTokenizerFast, seed: int
) -> Iterator[dict[str, torch.Tensor]]:
    """Give {input_ids, labels, position_ids}, each (ROWS, ROW)."""
    stream = rows(texts, tok, seed)
    while True:
        some = list(itertools.islice(stream, ROWS))
        yield {name: torch.tensor([row[name] for row in some]) for name in some[0]}


def rate(step: int, steps: int, top: float) -> float:
    return top * min(1.0, (step + 1) / 100, max(0.0, (steps - step) / (0.4 * steps)))


class Run:
    """Model and optimiser, on the GPU where there is one, as the last checkpoint left them."""

    def __init__(self, work: Path, top_rate: float) -> None:
        self.work, self.step, self.top_rate = work, 0, top_rate
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = LlamaForCausalLM(SHAPE).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=top_rate, betas=(0.9, 0.95), weight_decay=0.05
        )
        if (work / "last.pt").exists():
            state = torch.load(work / "last.pt", map_location=self.device)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        self.fast = torch.compile(self.model)

    def learn(self, batch: dict[str, torch.Tensor], steps: int) -> float:
        """Make one step and return the loss in nats per counted token."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step, steps, self.top_rate)
        batch = {name: part.to(self.device) for name, part in batch.items()}
        with torch.autocast(self.device, dtype=torch.bfloat16):
            loss = self.fast(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.item())

    def save(self) -> None:
        parts = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**parts, "step": self.step}, self.work / "new.pt")
        (self.work / "new.pt").replace(self.work / "last.pt")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--text", type=Path, required=True)
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--work", type=Path, required=True)
    ask.add_argument("--steps", type=int, default=2400)
    ask.add_argument("--rate", type=float, default=2e-3)
    ask.add_argument("--seed", type=int, default=7)
    a = ask.parse_args()
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    a.work.mkdir(parents=True, exist_ok=True)
    texts = read_english(a.text)
    ready = (a.out / "tokenizer.json").exists()
    tok = PreTrainedTokenizerFast.from_pretrained(a.out) if ready else make_tokenizer(texts, a.out)
    run, began, tokens = Run(a.work, a.rate), time.time(), ROW * ROWS
    log, first = (a.work / "log.jsonl").open("a"), run.step
    for batch in batches(texts, tok, a.seed * 1_000_003 + run.step):
        if run.step >= a.steps:
            break
        loss = run.learn(batch, a.steps)
        if run.step % 25 == 0:
            speed = round(tokens * (run.step - first) / (time.time() - began))
            row = {"step": run.step, "loss": round(loss, 3), "tokens/s": speed}
            print(json.dumps(row), file=log, flush=True)
        if run.step % CHECKPOINT == 0 or run.step == a.steps:
            run.save()
    run.model.to(torch.bfloat16).save_pretrained(a.out)


if __name__ == "__main__":
    main()
