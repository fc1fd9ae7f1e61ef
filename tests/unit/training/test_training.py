"""Tokens and labels, packing, the loss over answers, the recipe, checkpoints."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    TrainerState,
    TrainingArguments,
)
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from localtune.bases.fetch import fetch_base
from localtune.config.stages import PLAIN_TEMPLATE, BaseConfig, TrainConfig
from localtune.errors import BaseModelError, ConfigError, TrainingError
from localtune.machine import ranks
from localtune.progress import Silent, SilentBar
from localtune.training.checkpoints import last_whole
from localtune.training.development import ANSWER, Development, ValidationRecall, _fell
from localtune.training.isolation import BY_LESSON, attend_by_lesson
from localtune.training.lora import Amount, recipe
from localtune.training.loss import answer_loss
from localtune.training.machine import in_bf16, on_gpu
from localtune.training.tokenise import IGNORED, PackedRows, Tokens, pack, splitter_of
from localtune.training.tokenise import tokenise as tokenise_with
from localtune.training.train import train
from localtune.training.trainer import AnswerTrainer
from localtune.workspace import read_jsonl, write_jsonl


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a byte-level tokenizer of its own, saved as people save it."""
    folder = tmp_path_factory.mktemp("base")
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    tok.train_from_iterator(["The hall opens at eight."] * 9, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<end>", pad_token="<end>")
    fast.chat_template = PLAIN_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return PreTrainedTokenizerFast.from_pretrained(base)


def tokenise(lesson: dict[str, Any], tokenizer: Any) -> Tokens:
    return tokenise_with(lesson, tokenizer, splitter_of(tokenizer))


def chat(question: str, answer: str) -> dict[str, Any]:
    roles = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": text} for role, text in roles]}


def test_the_loss_is_on_the_answer_and_its_end(tokenizer: Any) -> None:
    tokens = tokenise(chat("When?", "At eight."), tokenizer)
    learned = [i for i, label in zip(tokens.ids, tokens.labels, strict=True) if label != IGNORED]
    assert tokenizer.decode(learned) == " At eight.<end>"
    assert tokenizer.decode(tokens.ids).startswith("User: When?\nAssistant:")


def test_a_text_is_learned_whole(tokenizer: Any) -> None:
    tokens = tokenise({"text": "The hall opens at eight."}, tokenizer)
    assert tokens.labels == [IGNORED, *tokens.ids[1:]]
    assert tokens.ids[-1] == tokenizer.eos_token_id


def test_packing_keeps_every_lesson_whole() -> None:
    lessons = [Tokens([n] * size, [n] * size) for n, size in enumerate([9, 3, 7, 1, 5, 16, 2])]
    rows = pack(lessons, 16)
    assert sorted(held.ids for row in rows for held in row) == sorted(x.ids for x in lessons)
    assert all(sum(len(held.ids) for held in row) <= 16 for row in rows)


def test_no_lesson_sees_another(base: Path, tokenizer: Any) -> None:
    """A packed row gives each lesson the logits that it has alone."""
    model = LlamaForCausalLM.from_pretrained(base)
    lessons = [tokenise(chat("When?", f"At {n}."), tokenizer) for n in ("eight", "noon")]
    row = PackedRows(lessons, 96, 0)[0]
    with torch.no_grad():
        row = {key: value[None] for key, value in row.items()}
        packed = model(**row, use_cache=False).logits[0]
        alone = model(torch.tensor([lessons[1].ids])).logits[0]
    begin = len(lessons[0].ids)
    torch.testing.assert_close(packed[begin : begin + len(alone)], alone, atol=1e-4, rtol=1e-4)


def test_attention_by_lesson_has_the_same_gradients(base: Path, tokenizer: Any) -> None:
    lessons = [tokenise(chat("When?", f"At {n}."), tokenizer) for n in ("eight", "noon", "one")]
    rows = PackedRows([*lessons, *lessons], 64, 0)
    batch = rows.collate([rows[i] for i in range(len(rows))])
    found = []
    for longest in (None, 64):
        model = LlamaForCausalLM.from_pretrained(base)
        if longest:
            attend_by_lesson(model, longest)
            assert model.config._attn_implementation == BY_LESSON
        model(**batch, use_cache=False).loss.backward()
        found.append([weight.grad for weight in model.parameters()])
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)


def test_a_gpu_that_is_not_there_is_said_before_anything_runs() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainingError, match="--device is cuda, but PyTorch finds no GPU") as said:
        on_gpu(TrainConfig(device="cuda"))
    assert "nvidia-smi" in said.value.hint
    assert not on_gpu(TrainConfig())
    assert not in_bf16(TrainConfig(precision="float32")) and in_bf16(TrainConfig(precision="bf16"))


def test_the_loss_equals_that_of_full_logits(base: Path, tokenizer: Any) -> None:
    from peft import LoraConfig, get_peft_model

    plain = LlamaForCausalLM.from_pretrained(base)
    lessons = [tokenise(chat("When?", f"At {n}."), tokenizer) for n in ("eight", "noon")]
    rows = PackedRows([*lessons, *lessons], 64, 0)
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    wanted = plain(**batch, use_cache=False).loss
    tuned = get_peft_model(plain, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.testing.assert_close(answer_loss(tuned, batch), wanted)


@pytest.mark.parametrize(
    ("hidden", "tokens", "rank"), [(256, 10**6, 32), (2048, 10_000, 32), (2048, 10**7, 128)]
)
def test_the_recipe_chooses_rank_and_layers(hidden: int, tokens: int, rank: int) -> None:
    plan = recipe(TrainConfig(), Amount(tokens, 40), hidden, 30)
    assert (plan.rank, plan.alpha) == (rank, 2 * rank)
    assert plan.layers == (30 if hidden < 512 else 18)
    assert plan.steps >= 100 and plan.rows == 4
    longer = recipe(TrainConfig(), Amount(tokens, 4000), hidden, 30)
    assert longer.steps >= 1500
    wider = recipe(TrainConfig(), Amount(tokens, 40), 2 * hidden, 30)
    assert wider.learning_rate < plan.learning_rate


CHOSEN = TrainConfig(rank=8, steps=12, learning_rate=1e-3, layers=3)


def test_what_is_chosen_by_hand_stands() -> None:
    plan = recipe(CHOSEN, Amount(10**6, 40), 256, 4)
    assert (plan.rank, plan.steps, plan.learning_rate, plan.layers) == (8, 12, 1e-3, 3)
    assert recipe(replace(CHOSEN, layers=9), Amount(10**6, 40), 256, 4).layers == 4


def lessons_file(folder: Path) -> Path:
    rows = [{**chat(f"When is {n}?", f"At {n} past."), "id": str(n)} for n in range(60)]
    write_jsonl(folder / "lessons.jsonl", rows)
    return folder / "lessons.jsonl"


CONFIG = TrainConfig(steps=40, rank=4, alpha=64, batch_tokens=96, max_length=48, learning_rate=1e-2)


class Stopped(Exception):
    pass


class StopsAt(SilentBar):
    """A bar that ends the training where a killed process would have ended."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, n: int = 1, detail: str = "") -> None:
        self.left -= n
        if self.left <= 0:
            raise Stopped


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_same_losses(base: Path, tmp_path: Path) -> None:
    lessons = lessons_file(tmp_path)

    def run(name: str, progress: Any) -> Path:
        out = tmp_path / name
        metrics = out / "metrics.jsonl"
        train(base, lessons, out / "adapter", metrics, out / "checkpoints", CONFIG, progress)
        return metrics

    whole = list(read_jsonl(run("whole", Silent())))
    with pytest.raises(Stopped):
        run("stopped", Stops(30))
    checkpoints = tmp_path / "stopped" / "checkpoints"
    assert last_whole(checkpoints) == str(checkpoints / "checkpoint-20")
    resumed = list(read_jsonl(run("stopped", Silent())))
    assert [row["step"] for row in resumed] == [row["step"] for row in whole]
    losses = [row["loss"] for row in whole]
    assert [row["loss"] for row in resumed] == pytest.approx(losses, abs=1e-5)
    assert losses[-1] < losses[0]
    same = [(tmp_path / n / "adapter/adapter_model.safetensors") for n in ("whole", "stopped")]
    assert same[0].read_bytes() == same[1].read_bytes()


def questions_file(folder: Path) -> Path:
    rows = [{"question": f"When is {n}?", "answers": [f"{n} past"]} for n in range(5)]
    write_jsonl(folder / "development.jsonl", rows)
    return folder / "development.jsonl"


def stop(*_: Any) -> None:
    raise Stopped


class Stops(Silent):
    """Ends the training at a step, and keeps what is said."""

    def __init__(self, step: int) -> None:
        self.step, self.said = step, list[str]()

    def note(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def bar(self, label: str, total: int) -> Any:
        yield StopsAt(self.step)


def developed(base: Path, out: Path, right: Any, steps: int, told: Stops) -> Path:
    """Train, asking for development, and return the weights of the adapter."""
    out.mkdir(exist_ok=True)
    files = (out / "adapter", out / "metrics.jsonl", out / "checkpoints")
    asked = Development(questions_file(out), right)
    config = replace(CONFIG, steps=steps)
    train(base, lessons_file(out), *files, config, told, development=asked)
    return out / "adapter" / "adapter_model.safetensors"


@pytest.mark.slow
def test_the_model_answers_as_it_would_alone(base: Path, tokenizer: Any) -> None:
    """In one batch, padded on the left, as one question at a time without a cache."""
    from peft import LoraConfig, get_peft_model

    said = []

    def keep(text: str, accepted: list[str]) -> bool:
        said.append(text)
        return False

    plain = LlamaForCausalLM.from_pretrained(base)
    attend_by_lesson(plain, 64)
    torch.manual_seed(4)  # of a model that doesn't say the same to everything
    chosen = LoraConfig(
        r=16,
        lora_alpha=64,
        target_modules="all-linear",
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(plain, chosen).train()
    split, folder = splitter_of(tokenizer), base.parent
    asked = Development(questions_file(folder), keep)
    before = torch.get_rng_state()
    assert ValidationRecall(asked, tokenizer, split, False, print).right(model) == 0
    assert model.training and plain.config._attn_implementation == BY_LESSON
    assert torch.equal(before, torch.get_rng_state())
    plain.set_attn_implementation("eager")
    for n, text in enumerate(said):
        ids = list(split(f"User: When is {n}?\nAssistant:"))
        begin = len(ids)
        for _ in range(ANSWER):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == tokenizer.eos_token_id:
                break
        assert text == tokenizer.decode(ids[begin:], skip_special_tokens=True)
    assert len(said) == 5 and len(set(said)) == 5


def test_fewer_are_asked_at_one_time_where_memory_lacks(
    base: Path, tokenizer: Any, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    said: list[str] = []
    plain, split = LlamaForCausalLM.from_pretrained(base), splitter_of(tokenizer)
    model = get_peft_model(plain, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    asked = Development(questions_file(tmp_path), lambda text, _: bool(said.append(text)))
    recall = ValidationRecall(asked, tokenizer, split, False, print)
    recall.right(model)
    together = [*said]
    said.clear()
    with memory_for(2, training=False):
        recall.right(model)
    assert said == together and len(said) == 5
    with memory_for(0, training=False), pytest.raises(torch.OutOfMemoryError):
        recall.right(model)


@pytest.mark.slow
def test_training_ends_where_every_question_is_right_twice(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Stops(999)
    whole = developed(base, tmp_path / "whole", lambda *_: True, 80, told)
    assert "40: 5 of 5 development questions are right, 2 times in a row" in " ".join(told.said)
    rows = list(read_jsonl(tmp_path / "whole" / "metrics.jsonl"))
    assert [row["step"] for row in rows if row.get("development") == 1.0] == [20, 40]
    assert max(row["step"] for row in rows) == 40
    out = tmp_path / "stopped"  # between the last checkpoint and the end
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr("localtune.training.train.take_best", stop)
        developed(base, out, lambda *_: True, 80, Stops(999))
    resumed = developed(base, out, lambda *_: True, 80, Stops(999))
    assert resumed.read_bytes() == whole.read_bytes()
    assert list(read_jsonl(out / "metrics.jsonl")) == rows


def test_a_best_checkpoint_that_went_with_a_divergence_is_forgotten(
    base: Path, tokenizer: Any, tmp_path: Path
) -> None:
    asked = Development(questions_file(tmp_path), lambda *_: True)
    recall = ValidationRecall(asked, tokenizer, splitter_of(tokenizer), False, print)
    settings = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[])
    state = TrainerState(best_global_step=40, best_metric=0.9)
    recall.on_train_begin(settings, state, None)
    assert state.best_global_step is state.best_metric is None
    (tmp_path / "checkpoint-20").mkdir()
    state = TrainerState(best_global_step=20, best_metric=0.5)
    recall.on_train_begin(settings, state, None)
    assert (state.best_global_step, state.best_metric) == (20, 0.5)


@pytest.mark.parametrize(
    ("right", "clearly"), [((20, 28, 27), False), ((20, 28, 18), True), ((28,), False), ((), False)]
)
def test_a_question_or_two_is_chance(right: tuple[int, ...], clearly: bool) -> None:
    log = [{"step": i, "development": n / 29} for i, n in enumerate(right)]
    best = max(right) / 29 if right else None
    state = TrainerState(log_history=[{"loss": 1.0}, *log], best_metric=best)
    assert _fell(state, 29) == clearly


@pytest.mark.slow
def test_the_best_checkpoint_is_taken_also_after_a_stop(base: Path, tmp_path: Path) -> None:
    """Right are the answers of the second checkpoint of five, and of no later one."""

    def run(name: str, steps: list[int]) -> Path:
        asked = [0]

        def right(*_: Any) -> bool:
            asked[0] += 1
            return first * 5 + asked[0] in (1, 6, 7, 8)

        for step in steps:
            last = last_whole(tmp_path / name / "checkpoints")
            first = int(last.rpartition("-")[2]) // 20 if last else 0
            asked[0] = 0
            with contextlib.suppress(Stopped):
                developed(base, tmp_path / name, right, 100, Stops(step))
            kept = tmp_path / name / "checkpoints" / "checkpoint-40/adapter_model.safetensors"
            if kept.exists():
                best[name] = kept.read_bytes()
        return tmp_path / name / "adapter" / "adapter_model.safetensors"

    best: dict[str, bytes] = {}
    whole, stopped = run("whole", [999]), run("stopped", [30, 90, 999])
    assert stopped.read_bytes() == whole.read_bytes() == best["stopped"]
    metrics = [list(read_jsonl(tmp_path / n / "metrics.jsonl")) for n in ("whole", "stopped")]
    shares = [row["development"] for row in metrics[0] if "development" in row]
    assert metrics[0] == metrics[1] and shares == [0.2, 0.6, 0.0, 0.0, 0.0]


class Warned(Silent):
    """Keeps what a person would be warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        if "threads" not in text:  # said on a busy machine
            self.said.append(text)


def run(base: Path, folder: Path, config: TrainConfig, progress: Silent) -> list[dict[str, float]]:
    """Train on a few lessons and return the metrics."""
    folder.mkdir(exist_ok=True)
    metrics = folder / "metrics.jsonl"
    lessons, out = lessons_file(folder), folder / "adapter"
    train(base, lessons, out, metrics, folder / "checkpoints", config, progress)
    return list(read_jsonl(metrics))


@pytest.mark.slow
def test_a_loss_that_diverges_goes_back_with_half_the_learning_rate(
    base: Path, tmp_path: Path
) -> None:
    told = Warned()
    wild = replace(
        CONFIG, learning_rate=12.5, precision="float32"
    )  # what is learned at first is lost soon
    rows = run(base, tmp_path, wild, told)
    assert 0 < len(told.said) <= 5 and all("it goes back" in said for said in told.said)
    assert rows[-1]["step"] == CONFIG.steps
    assert rows[-1]["learning_rate"] < 12.5 / 2 ** len(told.said)
    assert rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.slow
def test_a_learning_rate_beyond_hope_is_said(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="every learning rate down to") as refused:
        run(base, tmp_path, replace(CONFIG, learning_rate=1e30), Silent())
    assert "--learning-rate" in refused.value.hint


@contextmanager
def memory_for(rows: int, training: bool = True) -> Iterator[None]:
    """Make every embedding of more rows fail as PyTorch does where a GPU lacks memory."""

    def look(module: Any, inputs: Any) -> None:
        meant = isinstance(module, torch.nn.Embedding) and module.training == training
        if meant and len(inputs[0]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.slow
def test_a_step_that_lacks_memory_is_done_in_parts(base: Path, tmp_path: Path) -> None:
    told, config = Warned(), replace(CONFIG, batch_tokens=192)  # four rows a step
    whole = run(base, tmp_path / "whole", config, told)
    assert told.said == []
    with memory_for(1):
        parts = run(base, tmp_path / "parts", config, told)
    assert [said.split(" parts")[0][-1] for said in told.said] == ["2", "4"]
    losses = [row["loss"] for row in whole]
    assert [row["loss"] for row in parts] == pytest.approx(losses, rel=0.05)  # in bfloat16


def test_a_step_in_parts_has_the_same_gradients(base: Path, tokenizer: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    lessons = [tokenise(chat("When?", f"At {n}."), tokenizer) for n in ("eight", "noon")]
    rows = PackedRows([*lessons, *lessons, lessons[0]], 64, 0)
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    settings = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[])
    found = []
    for parts in (1, 2, len(rows)):
        torch.manual_seed(1)
        plain = LlamaForCausalLM.from_pretrained(base)
        adapted = LoraConfig(target_modules="all-linear", init_lora_weights=False)
        tuned = get_peft_model(plain, adapted)
        trainer = AnswerTrainer(model=tuned, args=settings)
        trainer.parts = parts
        loss = trainer.training_step(tuned, batch)
        found.append([loss, *(p.grad for p in tuned.parameters() if p.grad is not None)])
    assert len(found[0]) > 20
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])


@contextmanager
def memory_for_lean_layers() -> Iterator[None]:
    """Make every layer fail for lack of memory that keeps its activations."""

    def look(module: Any, inputs: Any) -> None:
        lacks = isinstance(module, LlamaDecoderLayer) and not module.gradient_checkpointing
        if lacks and module.training:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.slow
def test_activations_are_computed_twice_where_one_row_is_too_much(
    base: Path, tmp_path: Path
) -> None:
    told = Warned()
    config = replace(CONFIG, steps=10, precision="float32", learning_rate=3e-3)
    whole = run(base, tmp_path / "whole", config, told)
    with memory_for_lean_layers():
        lean = run(base, tmp_path / "lean", config, told)
    assert "2 parts" in told.said[0] and "computed twice" in told.said[1] and len(told.said) == 2
    losses = [row["loss"] for row in whole]
    assert [row["loss"] for row in lean] == pytest.approx(losses, abs=1e-4)


@pytest.mark.slow
def test_memory_for_not_one_row(base: Path, tmp_path: Path) -> None:
    with memory_for(0), pytest.raises(TrainingError, match="Memory lacks") as refused:
        run(base, tmp_path, CONFIG, Silent())
    assert "--max-length" in refused.value.hint


def test_a_half_written_checkpoint_is_dropped(tmp_path: Path) -> None:
    for step, whole in ((20, True), (100, True), (120, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if whole:
            (folder / "whole").touch()
    assert last_whole(tmp_path) == str(tmp_path / "checkpoint-100")
    assert not (tmp_path / "checkpoint-120").exists()


def test_a_base_is_linked_and_checked(base: Path, tmp_path: Path) -> None:
    fetched = fetch_base(BaseConfig(base=str(base)), tmp_path / "base")
    assert (fetched / "model.safetensors").is_symlink()
    assert (fetched / "config.json").read_bytes() == (base / "config.json").read_bytes()


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "a/b/c"])
def test_a_base_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="no base"):
        fetch_base(BaseConfig(base=name), tmp_path / "base")


def test_a_hub_base_is_refused_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(BaseModelError, match="not in the local cache"):
        fetch_base(BaseConfig(base="someone/something", offline=True), tmp_path / "base")


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BaseModelError, match="no tokenizer and no safetensors"):
        fetch_base(BaseConfig(base=str(tmp_path)), tmp_path / "base")


class Gate(BaseHTTPRequestHandler):
    """A Hub whose one model is gated: its list of files is public, the files aren't."""

    def do_GET(self) -> None:
        about = self.path.startswith("/api/models/")
        tree = [{"type": "file", "path": "config.json", "size": 2, "oid": "b" * 40}]
        said = tree if "/tree/" in self.path else {"id": "some/gated", "sha": "a" * 40}
        body = json.dumps(said if about else {"error": "gated"}).encode()
        self.send_response(200 if about else 401)
        if not about:
            self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        return


def test_a_gated_base_without_a_token_says_what_to_do(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": "",
            "HF_HUB_OFFLINE": "0",
        }
        fetch = (
            "import sys; from pathlib import Path\n"
            "from localtune.config.stages import BaseConfig; from localtune.errors import "
            "BaseModelError\n"
            "from localtune.bases.fetch import fetch_base\n"
            "try: fetch_base(BaseConfig(base='some/gated'), Path(sys.argv[1]))\n"
            "except BaseModelError as error: print(error.message, '|', error.hint)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", fetch, str(tmp_path / "base")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        hub.shutdown()
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "'some/gated' is gated" in said
    assert "https://huggingface.co/some/gated" in said and "hf auth login" in said


def test_a_launcher_that_shards_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks.check_launcher()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="FSDP") as refused:
        ranks.check_launcher()
    assert "torchrun" in refused.value.hint
