"""Train the built-in base model: tokenizer, weights, configuration, into one folder.

python tools/tiny_base/train.py --text us-government-cc0.jsonl.gz --out localtune/bases/tiny --steps 3000

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
from lessons import END, Piece, examples, read_english  # noqa: E402

VOCABULARY, ROW, ROWS = 4096, 256, 16
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def make_tokenizer(texts: list[str], folder: Path) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of 4,096 tokens on the mix, with GPT-2's splitting."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    sample = ("".join(t for t, _ in e).replace("<|im_start|>", "").replace("<|im_end|>", "").replace(END, "")
              for e in itertools.islice(examples(texts, 1), 40_000))
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=[END, "<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator(sample, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|im_end|>", pad_token=END, chat_template=TEMPLATE, clean_up_tokenization_spaces=False)
    fast.save_pretrained(folder)
    return fast


def tokens_of(example: list[Piece], tok: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Give ids and labels (-100 where no loss is taken), cut to one row."""
    ids: list[int] = []
    labels: list[int] = []
    for text, counts in example:
        piece = tok.encode(text, add_special_tokens=False)
        ids += piece
        labels += piece if counts else [-100] * len(piece)
    labels[0] = -100
    return ids[:ROW], labels[:ROW]


def batches(texts: list[str], tok: PreTrainedTokenizerFast, seed: int) -> Iterator[dict[str, torch.Tensor]]:
    """Pack examples into rows of 256; positions start anew with each example (which isolates them)."""
    stream = (tokens_of(e, tok) for e in examples(texts, seed))
    ids: list[list[int]] = [[]]
    labels: list[list[int]] = [[]]
    places: list[list[int]] = [[]]
    for i, l in stream:
        if len(ids[-1]) + len(i) > ROW:
            fill = ROW - len(ids[-1])
            ids[-1] += [0] * fill
            labels[-1] += [-100] * fill
            places[-1] += list(range(fill))
            if len(ids) == ROWS:
                yield {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), "position_ids": torch.tensor(places)}
                ids, labels, places = [], [], []
            ids.append([]), labels.append([]), places.append([])
        ids[-1] += i
        labels[-1] += l
        places[-1] += range(len(i))


def rate(step: int, steps: int, top: float) -> float:
    return top * min(1.0, (step + 1) / 100, max(0.0, (steps - step) / (0.4 * steps)))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--text", type=Path, required=True)
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--work", type=Path, required=True)
    ask.add_argument("--steps", type=int, default=3000)
    ask.add_argument("--rate", type=float, default=2e-3)
    ask.add_argument("--seed", type=int, default=7)
    ask.add_argument("--from-checkpoint", type=Path)
    a = ask.parse_args()
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    a.work.mkdir(parents=True, exist_ok=True)
    texts = read_english(a.text)
    ready = (a.out / "tokenizer.json").exists()
    tok = PreTrainedTokenizerFast.from_pretrained(a.out) if ready else make_tokenizer(texts, a.out)
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=256, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
                         intermediate_size=768, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=None,
                         eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5)
    model = LlamaForCausalLM(config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=a.rate, betas=(0.9, 0.95), weight_decay=0.05)
    start, saved = 0, a.from_checkpoint or a.work / "last.pt"
    if saved.exists():
        state = torch.load(saved)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    fast = torch.compile(model)
    began, seen, log = time.time(), 0, (a.work / "log.jsonl").open("a")
    for step, batch in zip(range(start, a.steps), batches(texts, tok, a.seed * 1_000_003 + start), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, a.steps, a.rate)
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = fast(**{k: v.to(device) for k, v in batch.items()}, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += batch["input_ids"].numel()
        if step % 25 == 0:
            print(json.dumps({"step": step, "loss": round(loss.item(), 3), "tokens/s": round(seen / (time.time() - began))}), file=log, flush=True)
        if (step + 1) % 250 == 0 or step + 1 == a.steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, a.work / "new.pt")
            (a.work / "new.pt").rename(a.work / ("last.pt"))
            if (step + 1) % 1000 == 0:
                torch.save(state, a.work / f"step-{step + 1}.pt")
    model.to(torch.bfloat16).save_pretrained(a.out)


if __name__ == "__main__":
    main()
