"""Soft targets: which lessons get them, that they are the base's own thoughts, stops, lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoTokenizer

from localtune.config.stages import BaseConfig, TrainConfig
from localtune.errors import InputError, TrainingError
from localtune.machine.threads import TorchThreads
from localtune.prompts import in_view
from localtune.training import distil, targets
from localtune.training.lengths import fit_for
from localtune.training.loss import answer_loss, tokens_of
from localtune.training.soft_rows import SoftTokens, Targets, key_of
from localtune.training.targets import TAIL, TOP, Asking, write_targets
from localtune.training.tokenise import IGNORED, PackedRows, splitter_of, tokenise
from localtune.training.train import load, train
from localtune.workspace import read_jsonl, write_jsonl

BASE = BaseConfig("tiny").folder()
assert BASE
PASSAGE = {"id": "p1", "text": "The hall opens at eight. The keeper is Ruben Okafor."}
CHAT = [
    {"role": "user", "content": "When does the hall open?"},
    {"role": "assistant", "content": "The hall opens at eight."},
    {"role": "user", "content": "Who is the keeper?"},
    {"role": "assistant", "content": "The keeper is Ruben Okafor."},
]
IN_VIEW = {"id": "1", "messages": CHAT, "targets": "passage", "passage": "p1"}
ALONE = {"id": "2", "text": "A plain text about nothing at all.", "targets": "alone"}
PLAIN = {"id": "3", "messages": CHAT}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BASE)


def run(folder: Path, *rows: dict[str, Any], max_length: int = 0) -> Path:
    """Write targets for some lessons; return their file, which needn't be there."""
    out = folder / "targets.safetensors"
    write_jsonl(folder / "lessons.jsonl", rows)
    write_jsonl(folder / "passages.jsonl", [PASSAGE])
    files = (folder / "lessons.jsonl", folder / "passages.jsonl", out, folder / "parts")
    write_targets(BASE, *files, TrainConfig(max_length=max_length))
    assert not (folder / "parts").exists()
    return out


def thought(tokenizer: Any, prompt: str, answer: list[int]) -> torch.Tensor:
    """Return the base's log-probabilities of each token of an answer behind a prompt."""
    _, model = load(BASE)
    ids = tokenizer(prompt, add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([ids + answer])).logits[0]
    return logits[len(ids) - 1 : -1].log_softmax(-1)


def test_where_no_lesson_asks_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "targets.safetensors").write_text("of an earlier build")
    assert not run(tmp_path, PLAIN).exists()


def test_a_lesson_is_put_to_the_base_with_its_passage_in_view(
    tmp_path: Path, tokenizer: Any
) -> None:
    kept = load_file(run(tmp_path, PLAIN, IN_VIEW))
    tokens = tokenise(IN_VIEW, tokenizer, splitter_of(tokenizer))
    learned = [i for i, label in enumerate(tokens.labels) if label != IGNORED]
    assert kept["lessons"].tobytes() == key_of(IN_VIEW)
    assert kept["ends"].tolist() == [len(learned)]
    assert kept["ids"].shape == kept["logprobs"].shape == (len(learned), TOP + TAIL)
    asked = in_view(CHAT[:1], PASSAGE["text"])
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    wanted = thought(tokenizer, prompt, tokens.ids[learned[0] :])
    rows = [i - learned[0] for i in learned]
    assert (kept["logprobs"][:, TOP:] == -np.inf).all()  # the rest is one bucket
    found = torch.from_numpy(kept["logprobs"][:, :TOP]).float()
    same = wanted[rows].gather(-1, torch.from_numpy(kept["ids"][:, :TOP]).long())
    torch.testing.assert_close(found, same, atol=0.1, rtol=0)  # in bfloat16 on some processors


def test_a_text_is_put_to_the_base_alone(tmp_path: Path, tokenizer: Any) -> None:
    kept = load_file(run(tmp_path, ALONE, IN_VIEW, PLAIN))
    tokens = tokenise(ALONE, tokenizer, splitter_of(tokenizer))
    first = kept["logprobs"][: len(tokens.ids) - 1]
    wanted = thought(tokenizer, ALONE["text"][:1], tokens.ids[1:])  # the first token is an "A"
    likeliest = wanted.topk(TOP).values
    found = torch.from_numpy(first[:, :TOP]).float()
    torch.testing.assert_close(found, likeliest, atol=0.1, rtol=0)
    torch.testing.assert_close(
        torch.from_numpy(first).float().exp().sum(-1), torch.ones(len(first)), atol=0.01, rtol=0
    )
    top, drawn = kept["ids"][: len(first), :TOP], kept["ids"][: len(first), TOP:]
    assert not any(set(a) & set(b) for a, b in zip(top, drawn, strict=True))
    assert kept["ends"][0] == len(tokens.ids) - 1


def test_a_passage_is_read_once_for_all_lessons_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, model = load(BASE)
    split, about = splitter_of(tokenizer), {"p1": PASSAGE["text"] * 5, "p2": "It is closed. " * 30}
    rows = [
        {**IN_VIEW, "messages": [*CHAT[: n % 3], *CHAT[2:]], "passage": f"p{n % 2 + 1}"}
        for n in range(12)
        if n % 3 != 1
    ]
    asking = Asking(tokenizer, split, about, 512)
    asked = [asking.of(row, tokenise(row, tokenizer, split)) for row in rows]
    lengths, forward = list[int](), model.base_model.forward

    def counted(input_ids: torch.Tensor, **more: Any) -> Any:
        lengths.append(input_ids.numel())
        return forward(input_ids, **more)

    monkeypatch.setattr(model.base_model, "forward", counted)
    shared, read = targets.thoughts(model, asked, TorchThreads()), sum(lengths)
    monkeypatch.setattr(targets, "SHARED", 10_000)
    alone = targets.thoughts(model, asked, TorchThreads())
    assert read < (sum(lengths) - read) / 2
    assert (shared["ends"] == alone["ends"]).all()
    # Ties may change places in bfloat16; what is likely is the same.
    assert (shared["ids"][:, 0] == alone["ids"][:, 0]).mean() > 0.9
    assert abs(shared["logprobs"][:, 0] - alone["logprobs"][:, 0]).max() < 0.1


def test_tokens_drawn_from_the_rest_stand_for_the_whole_distribution() -> None:
    torch.manual_seed(3)
    teacher, student = (torch.randn(500).log_softmax(-1) for _ in range(2))
    logprobs, ids = targets._kept(teacher.expand(4000, -1), drawn=True)
    assert ids.shape == (4000, TOP + TAIL)
    torch.testing.assert_close(logprobs.exp().sum(-1), torch.ones(4000))
    found = -(logprobs.exp() * student[ids]).sum(-1).mean()
    torch.testing.assert_close(found, -(teacher.exp() * student).sum(), atol=0.01, rtol=0)


def test_rows_carry_the_targets_of_their_own_lessons(tmp_path: Path, tokenizer: Any) -> None:
    lessons = [PLAIN, ALONE, IN_VIEW]
    kept = Targets(run(tmp_path, *lessons))
    split = splitter_of(tokenizer)
    tokens = [kept.beside(row, tokenise(row, tokenizer, split)) for row in lessons]
    item = PackedRows(tokens, 256, 0)[0]
    at = 0
    for lesson in tokens:
        part = slice(at, at + len(lesson.ids))
        given = item["soft_weights"][part, 1] > 0
        assert isinstance(lesson, SoftTokens)
        if lesson.mix:
            assert given.equal(item["labels"][part] != IGNORED)
            ids, logprobs = kept.between(lesson.begin, lesson.end)
            assert item["soft_ids"][part][given].equal(ids)
            assert item["soft_logprobs"][part][given].equal(logprobs)
        else:
            assert not given.any() and item["soft_weights"][part, 0].eq(1).all()
        at += len(lesson.ids)
    assert item["soft_weights"][at:, 1].eq(0).all()


def test_a_passage_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="passage 'p2', which isn't there") as refused:
        run(tmp_path, {**IN_VIEW, "passage": "p2"})
    assert "localtune build" in refused.value.hint
    with pytest.raises(InputError, match="isn't there"):
        run(tmp_path, {**ALONE, "targets": "passage", "passage": "p1"})  # a text isn't asked


def test_an_unknown_kind_of_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'teacher'; there are passage and alone"):
        run(tmp_path, {**IN_VIEW, "targets": "teacher"})


@pytest.mark.parametrize("words", [500, 5000])
def test_a_passage_beyond_the_context_is_cut(words: int, tokenizer: Any) -> None:
    long = {"p1": "The hall opens at eight, as was said. " * (words // 8)}
    split = splitter_of(tokenizer)
    asking = Asking(tokenizer, split, long, room=512)
    asked = asking.of(IN_VIEW, tokenise(IN_VIEW, tokenizer, split))
    assert asking.cut == 1
    assert 400 < len(asked.ids) <= 512
    assert "Who is the keeper" in tokenizer.decode(asked.ids)
    assert asked.places


def test_a_lesson_beyond_the_context_gets_no_targets(tokenizer: Any) -> None:
    split = splitter_of(tokenizer)
    long = {**ALONE, "text": "word and " * 900}
    asking = Asking(tokenizer, split, {}, 512)
    assert asking.of(long, tokenise(long, tokenizer, split)).places == []
    assert asking.without == 1


def test_each_piece_of_a_long_text_has_targets_of_its_own(tmp_path: Path, tokenizer: Any) -> None:
    config, split = TrainConfig(), splitter_of(tokenizer)
    base = AutoConfig.from_pretrained(BASE)  # of 512 tokens
    text = "".join(f"The hall number {n} opens at eight. " for n in range(150))
    pieces = list(fit_for(config, base, tokenizer, split).of({**ALONE, "text": text}))
    assert len(pieces) > 1
    kept = Targets(run(tmp_path, {**ALONE, "text": text}))
    for row, tokens in pieces:
        given = kept.beside(row, tokens).more()["soft_weights"][:, 1] > 0
        assert int(given.sum()) == len(tokens.ids) - 1


def test_targets_are_those_of_the_turns_that_are_learned(tmp_path: Path, tokenizer: Any) -> None:
    """The second turn doesn't fit; the first has targets, with its passage in view."""
    split = splitter_of(tokenizer)
    first = tokenise({"messages": CHAT[:2]}, tokenizer, split)
    limit = len(first.ids) + 2
    kept = Targets(run(tmp_path, IN_VIEW, max_length=limit))
    [(row, tokens)] = fit_for(
        TrainConfig(max_length=limit), AutoConfig.from_pretrained(BASE), tokenizer, split
    ).of(IN_VIEW)
    assert tokens == first
    given = kept.beside(row, tokens).more()["soft_weights"][:, 1] > 0
    assert int(given.sum()) == sum(label != IGNORED for label in first.labels)


def test_lessons_without_answers_are_no_error(tmp_path: Path) -> None:
    question = {**IN_VIEW, "messages": [*CHAT[:1], {"role": "assistant", "content": ""}]}
    run(tmp_path, question, {**ALONE, "text": ""})


def test_a_stop_costs_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**ALONE, "text": f"Text number {n} about nothing."} for n in range(10)]
    monkeypatch.setattr(targets, "PART", 2)
    whole = load_file(run(tmp_path, *rows))
    read, calls = targets.thoughts, list[int]()

    def stopped(model: Any, asked: list[Any], threads: TorchThreads) -> Any:
        calls.append(len(asked))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return read(model, asked, threads)

    monkeypatch.setattr(targets, "thoughts", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, *rows)
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) == 3
    again = load_file(run(tmp_path, *rows))
    assert calls == [2] * 6  # three, the one that was stopped, and the two that were left
    for name in ("lessons", "ends", "ids"):
        assert (again[name] == whole[name]).all()
    assert abs(again["logprobs"] - whole["logprobs"]).max() < 0.1


def test_targets_that_are_missing_are_said(tmp_path: Path, tokenizer: Any) -> None:
    kept = Targets(run(tmp_path, ALONE))
    with pytest.raises(TrainingError, match="of lesson 1 are missing"):
        kept.beside(IN_VIEW, tokenise(IN_VIEW, tokenizer, splitter_of(tokenizer)))


def test_a_batch_in_parts_has_the_same_loss(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soft and plain lessons in one row and in rows of their own: one mean over all tokens."""
    monkeypatch.setitem(distil.MIXES, "alone", distil.Mix(4.0, hard=0.25))
    from peft import LoraConfig, get_peft_model

    lessons = [PLAIN, ALONE, IN_VIEW]
    kept, split = Targets(run(tmp_path, *lessons)), splitter_of(tokenizer)
    tokens = [kept.beside(row, tokenise(row, tokenizer, split)) for row in lessons]
    torch.manual_seed(0)
    adapted = LoraConfig(target_modules="all-linear", init_lora_weights=False)
    tuned = get_peft_model(load(BASE)[1], adapted)
    items = list(PackedRows(tokens, max(len(one.ids) for one in tokens), 0))
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    assert len(items) > 1
    counted = tokens_of(batch)
    learned = (batch["labels"] != IGNORED).sum()
    assert counted > learned  # a replayed token counts more than once
    parts = [
        answer_loss(tuned, {key: values[i : i + 1] for key, values in batch.items()}, counted)
        for i in range(len(items))
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), answer_loss(tuned, batch))


@pytest.mark.slow
def test_what_the_base_thinks_alone_teaches_it_nothing_and_with_a_passage_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in distil.MIXES:
        monkeypatch.setitem(distil.MIXES, kind, distil.Mix(1.0, hard=0.0))
    losses = {}
    for kind in ("alone", "passage"):
        folder = tmp_path / kind
        folder.mkdir()
        out = run(folder, *({**IN_VIEW, "targets": kind, "id": str(n)} for n in range(8)))
        config = TrainConfig(steps=10, learning_rate=5e-4, batch_tokens=512)
        files = (folder / "adapter", folder / "metrics.jsonl", folder / "checkpoints")
        train(BASE, folder / "lessons.jsonl", *files, config, targets=out)
        losses[kind] = [row["loss"] for row in read_jsonl(folder / "metrics.jsonl")]
    assert max(losses["alone"]) < 0.05
    assert losses["passage"][0] > 0.1
    assert losses["passage"][-1] < losses["passage"][0] / 2


def test_lessons_of_which_none_fits_get_no_targets(tmp_path: Path) -> None:
    long = {**IN_VIEW, "messages": [CHAT[0], {"role": "assistant", "content": "noon " * 99}]}
    assert not run(tmp_path, long, max_length=16).exists()
