"""Does the master do what the trained model does? Tokens, logits and endings, compared.

Takes base, adapter and a loaded master; loads the first two with transformers and PEFT, on the CPU
and in float32. Knows no runtime: whatever has Runtime's methods will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localtune.errors import EvaluationError
from localtune.evaluation.layers import first_difference, torch_layers
from localtune.loading import LOCAL
from localtune.machine.threads import TorchThreads
from localtune.progress import Progress, Silent

PROMPTS = 16
MOST_KL = 1e-3  # nats a token, mean
LEAST_AGREEMENT = 0.99
# An adapter is compared on its base's weights in F32, where llama.cpp computes as PyTorch does:
# 3e-6 on SmolLM2 135M. A layer that is missing or an alpha that is wrong is far beyond.
MOST_KL_EXACT = 1e-4
# On the base as it is quantized, llama.cpp rounds to 8 bits what it multiplies such weights with:
# 5e-3 on SmolLM2 135M as Q4_1, with an adapter or without. Another base is beyond 1.
MOST_KL_QUANTIZED = 0.1
TIE = 0.01  # two tokens this near in probability are one choice: BF16 may order them either way
Logits = npt.NDArray[np.float32]
Messages = list[dict[str, str]]
Split = Callable[[str], list[int]]


class FaithfulAnswer(Protocol):
    """An answer: its text and whether the model ended it."""

    @property
    def text(self) -> str: ...
    @property
    def ended(self) -> bool: ...


class Runtime(Protocol):
    """A loaded GGUF, such as llama.llama.Model."""

    def render(self, messages: Messages) -> str: ...
    def token_ids(self, text: str) -> list[int]: ...
    def logits(self, ids: list[int]) -> Logits: ...
    def layers(self, ids: list[int]) -> list[npt.NDArray[np.float32]]: ...
    def ask(self, messages: Messages, max_tokens: int = 64) -> FaithfulAnswer: ...


@dataclass(frozen=True)
class Comparison:
    """The tokens of one prompt and its answer; per predicted token, KL and whether both agree.

    `spaces` says that llama.cpp put other spaces into the prompt than transformers. `first` is
    where they chose otherwise first, in words, "" where they never did. `quantized` is the KL of
    the shipped file itself, where `kl` is that of the same weights in F32.
    """

    ids: list[int]
    kl: npt.NDArray[np.float64]
    agree: npt.NDArray[np.bool_]
    ended: bool
    spaces: bool
    first: str
    quantized: npt.NDArray[np.float64] | None = None


def check(
    base: Path,
    adapter: Path,
    model: Runtime,
    questions: list[str],
    progress: Progress = Silent(),
    split: Split | None = None,
    exact: Runtime | None = None,
) -> dict[str, Any]:
    """Compare on up to 16 questions; return {"prompts", "tokens", "kl", "top1", "ended", "spaces"}.

    `spaces` counts prompts that differ in spaces only, `kl` is the mean Kullback-Leibler divergence
    in nats of the master's next-token distribution from the trained model's, `top1` the share of
    tokens on which both choose alike, `ended` the share of answers that end by themselves. `split`
    is how the base itself splits text, where that isn't up to transformers. Where the model isn't a
    BF16 master, but an adapter on its base, `exact` is the same adapter on the base's weights in
    F32, and "quantized_kl" is the model's own divergence. Raises EvaluationError where they differ
    too much.
    """
    tokenizer, trained = load_merged(base, adapter, rounded=exact is None)
    asked = questions[:: max(1, len(questions) // PROMPTS)][:PROMPTS]
    with TorchThreads() as threads, progress.bar("compare", len(asked)) as bar:
        compared = []
        for question in asked:
            compared.append(compare(question, tokenizer, trained, model, threads, split, exact))
            bar.advance()
    found = summarise(compared)
    most = MOST_KL_EXACT if exact else MOST_KL
    if not (found["kl"] < most and found["top1"] > LEAST_AGREEMENT):  # so put that NaN fails
        raise _unfaithful(
            f"predicts other words (mean KL {found['kl']:.2g}, at most {most:g}; same choice "
            f"{found['top1']:.1%}, at least {LEAST_AGREEMENT:.0%})"
            + _parting(compared, trained, exact or model)
        )
    if not found.get("quantized_kl", 0) < MOST_KL_QUANTIZED:
        raise _unfaithful(
            f"predicts other words on the base itself (mean KL {found['quantized_kl']:.2g}, at "
            f"most {MOST_KL_QUANTIZED:g})" + _parting(compared, trained, model)
        )
    if found["ended"] < 0.9:
        progress.warn(
            f"{1 - found['ended']:.0%} of the answers don't end by themselves; "
            "more --steps or more documents may help."
        )
    return found


def load_merged(base: Path, adapter: Path, rounded: bool = True) -> tuple[Any, Any]:
    """Load the tokenizer that training saved, and base and adapter merged.

    The model computes in float32 on matrices that are `rounded` to BF16, the master's format: what
    is to be found is a fault of the export, not what the format costs (for a tiny model tuned hard
    that alone can reach a KL of 1e-3).
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(adapter, **LOCAL)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, use_safetensors=True, **LOCAL
    )
    with TorchThreads():
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    for weight in merged.parameters():
        if rounded and weight.ndim > 1:
            weight.data = weight.data.bfloat16().float()
    return tokenizer, merged.eval()


def compare(
    question: str,
    tokenizer: Any,
    trained: Any,
    model: Runtime,
    threads: TorchThreads,
    split: Split | None = None,
    exact: Runtime | None = None,
) -> Comparison:
    """Ask one question and compare what both predict along prompt and answer."""
    messages = [{"role": "user", "content": question}]
    prompt, spaces = check_prompt(messages, tokenizer, model, split)
    answer = model.ask(messages)
    ids = prompt + list(tokenizer(answer.text, add_special_tokens=False).input_ids)
    with threads.timed(len(ids)):
        wanted = torch_logits(trained, ids)
    wanted, got = _known(wanted, (exact or model).logits(ids))
    quantized = divergence(*_known(wanted, model.logits(ids))) if exact else None
    agree = agreement(wanted, got)
    first = "" if agree.all() else _said(tokenizer, ids, wanted, got, int(agree.argmin()))
    kl = divergence(wanted, got)
    return Comparison(ids, kl, agree, answer.ended, spaces, first, quantized)


def _known(wanted: Logits, got: Logits) -> tuple[Logits, Logits]:
    """Return both without the rows of a vocabulary that only one side has, which mean no token."""
    known = min(wanted.shape[1], got.shape[1])
    return wanted[:, :known], got[:, :known]


def _said(tokenizer: Any, ids: list[int], wanted: Logits, got: Logits, at: int) -> str:
    """Say where the two choose otherwise, and what."""
    chosen = [int(row.argmax()) for row in (wanted[at], got[at])]
    words = [tokenizer.decode([token]) for token in chosen]
    return (
        f"behind token {at + 1} of {len(ids)} ({tokenizer.decode(ids[: at + 1])[-40:]!r}) PyTorch "
        f"says {words[0]!r} (logit {wanted[at, chosen[0]]:.2f}), llama.cpp {words[1]!r} "
        f"({got[at, chosen[1]]:.2f})"
    )


def check_prompt(
    messages: Messages, tokenizer: Any, model: Runtime, split: Split | None = None
) -> tuple[list[int], bool]:
    """Return the ids of a prompt and whether only spaces differ; raise EvaluationError for more.

    BOS in front is the runtime's affair: lessons were split by its rules.
    """
    wanted_text = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    text = model.render(messages)
    if text != wanted_text:
        raise _unfaithful(f"renders a prompt as {text!r}, not {wanted_text!r}")
    plain = tokenizer(text, add_special_tokens=False).input_ids
    wanted, ids = split(text) if split else list(plain), model.token_ids(text)
    if ids in (wanted, [tokenizer.bos_token_id, *wanted]):
        return ids, False
    if _without_spaces(tokenizer, ids) == _without_spaces(tokenizer, wanted):
        return ids, True
    at = next(
        (i for i, pair in enumerate(zip(ids, wanted, strict=False)) if pair[0] != pair[1]),
        len(wanted),
    )
    pieces = [tokenizer.decode(some[at : at + 1]) for some in (ids, wanted)]
    raise _unfaithful(
        f"splits the prompt {text!r} into other tokens: number {at + 1} is {pieces[0]!r}, "
        f"not {pieces[1]!r} ({ids}, not {wanted})"
    )


def _without_spaces(tokenizer: Any, ids: list[int]) -> str:
    text = tokenizer.decode(ids[1:] if ids[:1] == [tokenizer.bos_token_id] else ids)
    return "".join(text.split())


def torch_logits(trained: Any, ids: list[int]) -> Logits:
    """Return the trained model's logits, (len(ids), vocabulary)."""
    import torch

    with torch.inference_mode():
        logits: Logits = trained(torch.tensor([ids])).logits[0].float().numpy()
    return logits


def divergence(wanted: Logits, got: Logits) -> npt.NDArray[np.float64]:
    """Return KL(wanted || got) of each row, in nats."""
    p, q = log_softmax(wanted), log_softmax(got)
    return np.asarray((np.exp(p) * (p - q)).sum(axis=-1))


def agreement(wanted: Logits, got: Logits) -> npt.NDArray[np.bool_]:
    """Return for each row whether the choice of `got` is that of `wanted`, ties counting."""
    p = np.exp(log_softmax(wanted))
    chosen = np.take_along_axis(p, got.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    return np.asarray(chosen >= p.max(axis=-1) - TIE)


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Return log probabilities, in float64."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def summarise(compared: list[Comparison]) -> dict[str, Any]:
    """Average over all tokens; those that several prompts begin with count once."""
    new = [_new_rows(one.ids, compared[:n]) for n, one in enumerate(compared)]
    rows = list(zip(compared, new, strict=True))
    agree = np.concatenate([one.agree[part] for one, part in rows])
    found = {
        "prompts": len(compared),
        "tokens": len(agree),
        "kl": float(np.concatenate([one.kl[part] for one, part in rows]).mean()),
        "top1": float(agree.mean()),
        "ended": sum(one.ended for one in compared) / len(compared),
        "spaces": sum(one.spaces for one in compared),
    }
    own = [one.quantized[part] for one, part in rows if one.quantized is not None]
    return {**found, "quantized_kl": float(np.concatenate(own).mean())} if own else found


def _new_rows(ids: list[int], earlier: list[Comparison]) -> slice:
    """Return the rows behind the longest beginning that an earlier prompt has too.

    A question that was asked before keeps its last row, as there must be one.
    """
    alike = (zip(ids, other.ids, strict=False) for other in earlier)
    shared = max((_length(a == b for a, b in pairs) for pairs in alike), default=0)
    return slice(min(shared, len(ids) - 1), None)


def _length(same: Iterable[bool]) -> int:
    return sum(1 for _ in takewhile(bool, same))


def _parting(compared: list[Comparison], trained: Any, model: Runtime) -> str:
    """Say where two models that differ part first: the token, what each chose, the layer."""
    one = next((one for one in compared if one.first), compared[0])
    layer = first_difference(torch_layers(trained, one.ids), model.layers(one.ids))
    return "".join(f"; {said}" for said in (one.first, layer) if said)


def _unfaithful(what: str) -> EvaluationError:
    return EvaluationError(
        f"The exported model is not the one that was trained: it {what}.",
        "This is a fault of localtune's export for this base. Please report it, with the base's "
        "name, and use another --base meanwhile.",
    )
