"""lessons.jsonl + passages.jsonl + base/ -> targets.safetensors: what the base itself would say.

A lesson that asks for soft targets gets, for every token of its answers, the base's TOP likeliest
tokens and their log-probabilities: `"targets": "passage"` with the passage in view, as the student
will never be asked (prompt distillation, Kujanpää et al. 2024, arXiv:2412.14964), `"alone"` as it
is (replay: what the base does already is to stay so). Knows nothing of training.

The file holds `lessons` (n, 16): the keys of the lessons, `ends` (n,): where each one's tokens end,
`ids` (tokens, k) and `logprobs` (tokens, k). There is none where no lesson asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from transformers.cache_utils import DynamicLayer
from transformers.utils import logging as transformers_logging

from localtune.config.stages import TrainConfig
from localtune.errors import InputError, TrainingError
from localtune.machine.threads import TorchThreads
from localtune.progress import Progress, Silent
from localtune.prompts import in_view
from localtune.training.lengths import fit_for
from localtune.training.loss import logits_of
from localtune.training.machine import cpu_has_bf16
from localtune.training.soft_rows import Lesson, asks, key_of
from localtune.training.tokenise import IGNORED, Split, Tokens, render, splitter_of
from localtune.training.train import load
from localtune.workspace import atomic_path, read_jsonl, remove

TOP = 20
TAIL = 12  # tokens drawn from all others for general text, of which the base is unsure
BATCH = 8192  # tokens that the base reads at one time, padding included
PART = 256  # lessons that are kept together, so that a stop costs no more
SHARED = 64  # tokens that several lessons begin with, from which on they are read once
POSITIONS = 1024  # whose logits exist at one time
Kept = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TargetRequest:
    """What the base reads of a lesson, and behind which of these tokens its thoughts are kept."""

    key: bytes
    ids: list[int]
    places: list[int]
    passage: str = ""  # lessons about one begin alike
    drawn: bool = False  # whether tokens beyond the likeliest are drawn


def write_targets(
    base: Path,
    lessons: Path,
    passages: Path,
    out: Path,
    parts: Path,
    config: TrainConfig,
    progress: Progress = Silent(),
    split: Split | None = None,
) -> int:
    """Write the soft targets that the lessons ask for and return of how many tokens.

    Goes on from what a stopped run left in the folder `parts`, which is removed at the end.
    `split` and `config` are those of training. Raises InputError for a lesson whose passage
    is gone, TrainingError where the base gives no numbers.
    """
    asking_rows = [row for row in read_jsonl(lessons) if asks(row)]
    if not asking_rows:
        remove(out)
        remove(parts)
        return 0
    gpu = torch.cuda.is_available()
    transformers_logging.disable_progress_bar()
    tokenizer, model = load(base, torch.bfloat16 if gpu else torch.float32)
    model = model.eval().to("cuda" if gpu else "cpu")
    split = split or splitter_of(tokenizer)
    texts = {row["id"]: row["text"] for row in read_jsonl(passages)}
    fit = fit_for(config, model.config, tokenizer, split)
    wanted = {key_of(row): (row, tokens) for whole in asking_rows for row, tokens in fit.of(whole)}
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None) or fit.limit
    asking = Asking(tokenizer, split, texts, room)
    rows = sorted(wanted.values(), key=lambda pair: str(pair[0].get("passage", "")))
    if not rows:  # none fits, which training will report
        remove(out)
        remove(parts)
        return 0
    with TorchThreads(not gpu) as threads, progress.bar("targets", len(rows)) as bar:
        for begin in range(0, len(rows), PART):
            part, group = parts / f"{begin:08}.safetensors", rows[begin : begin + PART]
            if not part.exists():
                torch.manual_seed(begin)  # of the tokens that are drawn, also after a stop
                _write(part, thoughts(model, [asking.of(*pair) for pair in group], threads))
            bar.advance(len(group))
    count = _join([load_file(part) for part in sorted(parts.glob("*.safetensors"))], out)
    if asking.cut:
        progress.warn(f"{asking.cut:,} lessons' passages don't fit into the base's {room} tokens")
    if asking.without:
        progress.warn(
            f"{asking.without:,} lessons fill the base's {room} tokens: they get no soft targets"
        )
    progress.note(f"soft targets of {count:,} tokens in {len(rows):,} lessons")
    remove(parts)
    return count


@dataclass
class Asking:
    """How the lessons of a build are put to its base.

    `cut` counts passages that didn't fit, `without` lessons that get no targets.
    """

    tokenizer: Any
    split: Split
    passages: dict[str, str]
    room: int
    cut: int = field(default=0)
    without: int = field(default=0)

    def of(self, lesson: Lesson, tokens: Tokens) -> TargetRequest:
        """Return what the base reads: the tokens that will be learned, behind its own prompt.

        A lesson that is longer than the base's context, even without the passage, gets no targets.
        Raises InputError where the passage is gone.
        """
        learned = [i for i, label in enumerate(tokens.labels) if i and label != IGNORED]
        begin = learned[0] if learned else len(tokens.ids)
        prompt = tokens.ids[:begin]
        if lesson["targets"] == "passage" and learned:
            prompt = self._in_view(lesson, begin, len(tokens.ids) - begin)
        ids, shift = prompt + tokens.ids[begin:], len(prompt) - begin
        fits = len(ids) <= self.room
        self.without += not fits
        places = [i + shift - 1 for i in learned] if fits else []
        passage = lesson.get("passage", "")
        return TargetRequest(key_of(lesson), ids, places, passage, drawn="text" in lesson)

    def _in_view(self, lesson: Lesson, begin: int, answer: int) -> list[int]:
        """Return the prompt of `begin` tokens with as much of the passage in view as there is room.

        `answer` is the number of tokens behind it.
        """
        passage = self.passages.get(lesson.get("passage", ""))
        if passage is None or "messages" not in lesson:
            raise InputError(
                f"Lesson {lesson.get('id', '')} is about the passage {lesson.get('passage')!r}, "
                "which isn't there.",
                "Run `localtune build` again; it makes the lessons anew.",
            )
        asked = self._asked(lesson["messages"], begin)
        prompt = self._prompt(asked, passage)
        if (over := len(prompt) + answer - self.room) > 0:
            self.cut += 1
        while over > 0 and passage:
            words = self.tokenizer(passage, add_special_tokens=False).input_ids
            passage = self.tokenizer.decode(words[:-over]) if over < len(words) else ""
            prompt = self._prompt(asked, passage)
            over = len(prompt) + answer - self.room
        return prompt

    def _asked(self, messages: list[dict[str, str]], begin: int) -> list[dict[str, str]]:
        """Return the messages in front of the first answer that is learned, at token `begin`."""
        prompts = [messages[:i] for i, said in enumerate(messages) if said["role"] == "assistant"]
        sizes = (len(self.split(render(self.tokenizer, asked, True))) for asked in prompts)
        pairs = zip(prompts, sizes, strict=True)
        return next((asked for asked, size in pairs if size == begin), prompts[0])

    def _prompt(self, asked: list[dict[str, str]], passage: str) -> list[int]:
        return self.split(render(self.tokenizer, in_view(asked, passage), True))


def thoughts(model: Any, asked: list[TargetRequest], threads: TorchThreads) -> Kept:
    """Return the base's likeliest next tokens at the places of each lesson, in the given order."""
    found: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    fast = torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16())
    with torch.inference_mode(), fast:
        for taken in _batches(asked):
            read = _read(model, [asked[i] for i in taken], threads)
            found.update(zip(taken, read, strict=True))
    ids, logprobs = zip(*(found[i] for i in range(len(asked))), strict=True)
    return {
        "lessons": np.frombuffer(b"".join(one.key for one in asked), np.uint8).reshape(-1, 16),
        "ends": np.cumsum([len(one.places) for one in asked], dtype=np.int64),
        "ids": torch.cat(ids).int().cpu().numpy(),
        "logprobs": torch.cat(logprobs).half().cpu().numpy(),
    }


def _batches(asked: list[TargetRequest]) -> Iterator[list[int]]:
    """Yield which lessons are read at one time: about one passage, and of about one length."""
    kinds = [(one.drawn, one.passage) for one in asked]
    order = sorted(range(len(asked)), key=lambda i: (*kinds[i], -len(asked[i].ids)))
    while order:
        first = asked[order[0]]
        most = max(1, BATCH // max(1, len(first.ids)))
        taken = [i for i in order[:most] if kinds[i] == kinds[order[0]]]
        order = order[len(taken) :]
        yield taken


def _read(
    model: Any, batch: list[TargetRequest], threads: TorchThreads
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (places, k) token ids and log-probabilities of each lesson of one batch."""
    past, begin = _begun(model, batch)
    longest = max(1, *(len(one.ids) - begin for one in batch))
    padding = [longest + begin - len(one.ids) for one in batch]
    ids = [one.ids[begin:] + [0] * pad for one, pad in zip(batch, padding, strict=True)]
    mask = [[1] * len(one.ids) + [0] * pad for one, pad in zip(batch, padding, strict=True)]
    top: list[list[torch.Tensor]] = [[], []]
    with threads.timed(len(batch) * longest):
        hidden = model.base_model(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            past_key_values=past,
            use_cache=past is not None,
        ).last_hidden_state
        wanted = [hidden[i, [at - begin for at in one.places]] for i, one in enumerate(batch)]
        for some in torch.cat(wanted).split(POSITIONS):
            said = logits_of(model, some).float().log_softmax(-1)
            for held, made in zip(top, _kept(said, batch[0].drawn), strict=True):
                held.append(made)
    sizes = [len(one.places) for one in batch]
    logprobs, likeliest = (torch.cat(held).split(sizes) for held in top)
    if any(some.isnan().any() for some in logprobs):
        raise TrainingError("The base gives no numbers for some lessons.", "Choose another --base.")
    yield from zip(likeliest, logprobs, strict=True)


def _kept(said: torch.Tensor, drawn: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-probabilities and ids of the likeliest tokens, and of TAIL drawn from the rest.

    `said` (places, vocabulary). Those drawn share the probability of the rest, so that what is
    learned from all is the whole distribution in the mean (Anshumann et al. 2025). Where none are
    to be `drawn` their probability is 0: the rest stays one bucket.
    """
    logprobs, ids = said.topk(min(TOP, said.shape[-1]))
    if said.shape[-1] < 10 * TOP:
        return logprobs, ids
    if not drawn:
        none = torch.full_like(logprobs[:, :1], -torch.inf).expand(-1, TAIL)
        return torch.cat([logprobs, none], -1), torch.cat([ids, ids[:, :1].expand(-1, TAIL)], -1)
    rest = said.exp().scatter(-1, ids, 0.0)
    others = torch.multinomial(rest + 1e-12, TAIL, replacement=True)
    share = (rest.sum(-1, keepdim=True) / TAIL).log().expand(-1, TAIL)
    return torch.cat([logprobs, share], -1), torch.cat([ids, others], -1)


def _begun(model: Any, batch: list[TargetRequest]) -> tuple[Any, int]:
    """Read once what all lessons begin with, a passage; return its cache and its length.

    None and 0 where that is short, or the model remembers otherwise than by keys and values.
    """
    prompts = [one.ids[: min(one.places, default=0)] for one in batch]
    columns = enumerate(zip(*prompts, strict=False))
    shared = next((i for i, ids in columns if len(set(ids)) > 1), min(map(len, prompts)))
    if len(batch) == 1 or shared < SHARED:
        return None, 0
    ids = torch.tensor([prompts[0][:shared]], device=model.device)
    past = model.base_model(input_ids=ids, use_cache=True).past_key_values
    if not all(type(layer) is DynamicLayer for layer in getattr(past, "layers", [None])):
        return None, 0
    past.batch_repeat_interleave(len(batch))
    return past, shared


def _write(file: Path, kept: Kept) -> None:
    with atomic_path(file) as temporary:
        save_file(kept, temporary)


def _join(parts: list[Kept], out: Path) -> int:
    """Write the parts as one and return the number of tokens."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    before = np.cumsum([0, *(part["ends"][-1] for part in parts[:-1])])
    joined["ends"] = np.concatenate(
        [part["ends"] + n for part, n in zip(parts, before, strict=True)]
    )
    _write(out, joined)
    return len(joined["ids"])
