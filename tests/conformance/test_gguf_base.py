"""A GGUF as the base: every family comes back as it was, and trains on what llama.cpp serves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CHATML, KINDS, NASTY, TEXT, make_adapter, make_base
from gguf_fields import fields
from loras import edit_weights
from peft import LoraConfig, get_peft_model
from random_models import VARIANTS, make_model
from script_reference import reference
from test_families import assert_equal, difference, with_tokenizer
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers import PreTrainedTokenizerFast as Fast

import localtune
from localtune.build.base import fetch, splits_alike, splitter
from localtune.config.stages import PLAIN_TEMPLATE, BaseConfig
from localtune.errors import EvaluationError
from localtune.evaluation.faithful import check, divergence, log_softmax, torch_logits
from localtune.export.read.tensors import Tensors
from localtune.export.unpack.folder import unpack
from localtune.export.unpack.gguf_source import SOURCE, GgufSource
from localtune.export.unpack.splits import known, steps
from localtune.export.unpack.tokenizer import tokenizer as rebuilt
from localtune.export.write.gguf_adapter import export_adapter
from localtune.export.write.master import export_master
from localtune.llama.llama import Model, Splitter
from localtune.llama.quantize import quantize
from localtune.progress import Silent
from localtune.training.loss import answer_loss
from localtune.training.tokenise import PackedRows, tokenise
from localtune.training.train import load

IDS = [5 + (i * 37) % 440 for i in range(200)]  # beyond the windows and first contexts
TINY = Path(localtune.__file__).parent / "bases" / "tiny"
LEVELS = ("BF16", "Q8_0", "Q4_K_M")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small byte-level tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
    made.chat_template = CHATML
    made.save_pretrained(folder)
    return folder


def assert_same_weights(one: Path, other: Path) -> None:
    mine, wanted = Tensors(one), Tensors(other)
    assert not set(mine.names()) ^ set(wanted.names())
    for name in wanted.names():
        assert mine.shape(name) == wanted.shape(name), name
        assert mine.read(name).tobytes() == wanted.read(name).tobytes(), name


def logits(base: Path) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return torch_logits(model.eval(), IDS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_family_comes_back(variant: str, vocabulary: Path, tmp_path: Path) -> None:
    """Weights bit for bit, logits, and all that its GGUF says, written again from config.json."""
    size = 460 if variant.startswith(("gemma3", "gemma4")) else 512
    base = with_tokenizer(make_model(tmp_path / "base", variant, size), vocabulary)
    wanted = logits(base)
    for kind in ("f32", "bf16"):
        gguf, folder, again = (tmp_path / name for name in ("a.gguf", "folder", "b.gguf"))
        export_master(base, None, gguf, "base", kind=kind)
        unpack(gguf, folder)
        assert_same_weights(folder, base)
        assert np.array_equal(logits(folder), wanted)
        export_master(folder, None, again, "base", kind=kind)
        assert_equal(again, gguf)
        (folder / SOURCE).unlink()  # now only from what transformers reads
        export_master(folder, None, again, "base", kind=kind)
        assert not difference(fields(again), fields(gguf))


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_split_as_the_file_splits_them(kind: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", kind)
    export_master(base, None, tmp_path / "m.gguf", "m")
    unpack(tmp_path / "m.gguf", tmp_path / "folder")
    assert splits_alike(tmp_path / "folder")
    assert_same_ids(tmp_path / "m.gguf")
    made = AutoTokenizer.from_pretrained(tmp_path / "folder")
    wanted = AutoTokenizer.from_pretrained(base)
    for role in ("bos_token", "eos_token", "chat_template"):
        assert getattr(made, role) == getattr(wanted, role)
    ids = wanted("The fee is 1,250 euros.", add_special_tokens=False).input_ids
    assert made.decode(ids).strip() == wanted.decode(ids).strip()


def assert_same_ids(gguf: Path) -> None:
    made, split = Tokenizer.from_str(json.dumps(rebuilt(GgufSource(gguf)))), Splitter(gguf)
    for text in (*NASTY, *TEXT):
        ids = made.encode(text).ids
        # llama.cpp puts no second BOS before one that a text begins with.
        ids = ids[1:] if ids[:1] == ids[1:2] and text.startswith("<s>") else ids
        assert split.token_ids(text) == ids, text


def test_published_vocabularies() -> None:
    """llama.cpp's own ggml-vocab-*.gguf, of every kind that can be trained with."""
    source = reference()
    if source is None:
        pytest.skip("llama.cpp's vocabularies can't be fetched: no network")
    tried = 0
    for file in sorted((source / "models").glob("ggml-vocab-*.gguf")):
        held = GgufSource(file)
        kind, pre = held.get("tokenizer.ggml.model"), held.get("tokenizer.ggml.pre", "default")
        if kind in ("llama", "gemma4") or (kind == "gpt2" and steps(pre)):
            assert_same_ids(file)
            tried += 1
    assert tried > 10


def test_names_of_splits_are_known_to_llama() -> None:
    assert len(set(known())) == len(known())
    assert all(steps(name) for name in known())
    assert steps("no-such") is None


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """The built-in base at a level, and the folder made from that GGUF."""
    here = tmp_path_factory.mktemp("tiny")
    export_master(TINY, None, here / "BF16.gguf", "tiny")

    def made(level: str) -> tuple[Path, Path]:
        gguf, folder = here / f"{level}.gguf", here / level
        if not gguf.exists():
            quantize(here / "BF16.gguf", gguf, level)
        if not folder.exists():
            fetch(BaseConfig(base=str(gguf)), folder, Silent())
        return gguf, folder

    return made


def lessons() -> list[dict[str, list[dict[str, str]]]]:
    asked = [("What does a mooring cost?", TEXT[0]), ("How many cranes are there?", TEXT[1])]
    roles = ("user", "assistant")
    return [
        {"messages": [{"role": r, "content": t} for r, t in zip(roles, pair, strict=True)]}
        for pair in asked
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_the_first_loss_is_llamas_own(level: str, tiny: Callable[[str], tuple[Path, Path]]) -> None:
    """At step 1 the LoRA changes nothing: the loss is that of the file, within 1 %."""
    gguf, folder = tiny(level)
    tokenizer, model = load(folder)
    split = splitter(folder)
    assert split
    made = [tokenise(lesson, tokenizer, split) for lesson in lessons()]
    rows = PackedRows(made, 256, 0)
    batch = torch.utils.data.default_collate([rows[i] for i in range(len(rows))])
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    ours = float(answer_loss(tuned, batch).detach())
    runtime, theirs = Model(gguf), []
    for one in made:
        said = log_softmax(runtime.logits(one.ids))[:-1]
        theirs += [-said[i, t] for i, t in enumerate(one.labels[1:]) if t >= 0]
    assert abs(ours / np.mean(theirs) - 1) < 0.01


@pytest.mark.parametrize("level", LEVELS)
def test_weights_are_those_that_are_served_rounded_to_bf16(
    level: str, tiny: Callable[[str], tuple[Path, Path]]
) -> None:
    gguf, folder = tiny(level)
    source, held = GgufSource(gguf), Tensors(folder)
    wanted = source.rows("blk.0.ffn_down.weight", slice(None))
    name = "model.layers.0.mlp.down_proj.weight"
    assert np.array_equal(held.read(name), torch.from_numpy(wanted).bfloat16().float().numpy())
    assert held.kind(name) == "BF16"


@pytest.mark.parametrize("level", LEVELS)
def test_adapter_upon_the_base_is_what_was_trained(
    level: str, tiny: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    """And answers as the merged model does."""
    gguf, folder = tiny(level)
    adapter = make_adapter(folder, tmp_path / "adapter", r=4, lora_alpha=4)
    export_adapter(folder, adapter, tmp_path / "a.gguf", "a")
    export_master(folder, adapter, tmp_path / "m.gguf", "m")
    upon = Model(gguf, adapter=tmp_path / "a.gguf")
    ids = upon.token_ids(TEXT[0])
    merged = Model(tmp_path / "m.gguf").logits(ids)
    bare = Model(gguf).logits(ids)
    assert divergence(merged, upon.logits(ids)).mean() < 5e-3
    assert divergence(merged, bare).mean() > 0.05  # the adapter changes something
    found = compared(gguf, folder, adapter, tmp_path / "a.gguf")
    assert found["kl"] < 1e-5 and found["top1"] == 1
    with pytest.raises(EvaluationError, match="predicts other words"):
        compared(gguf, folder, adapter, None)


QUESTIONS = ("What does a mooring cost?", "What does a mooring cost?", "Who pays?")


def compared(
    gguf: Path,
    folder: Path,
    adapter: Path,
    shipped: Path | None,
    asked: Sequence[str] = QUESTIONS,
) -> dict[str, Any]:
    """Compare a GGUF adapter on its base with what was trained, as a build does."""
    exact = folder.with_name(f"{folder.name}-F32.gguf")
    if not exact.exists():
        export_master(folder, None, exact, "base", kind="f32")
    # One thread: several wait for each other where other programs are busy.
    model, same = (Model(file, threads=1, adapter=shipped) for file in (gguf, exact))
    return check(folder, adapter, model, [*asked], Silent(), splitter(folder), same)


def of_another_base(adapter: Path, folder: Path) -> None:
    make_adapter(folder, adapter, seed=9, std=SMALL_EFFECT)


def with_another_alpha(adapter: Path, folder: Path) -> None:
    file = adapter / "adapter_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "lora_alpha": 1.5 * settings["lora_alpha"]}))


def without_a_layer(adapter: Path, folder: Path) -> None:
    edit_weights(adapter, lambda name, weight: weight * (".layers.1." not in name))


FAULTS = (of_another_base, with_another_alpha, without_a_layer)
SMALL_EFFECT = 0.03  # of LoRA weights: a fault then changes about as much as llama.cpp rounds


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_adapter_is_found_below_the_noise_of_the_quantized_base(
    fault: Callable[[Path, Path], None],
    tiny: Callable[[str], tuple[Path, Path]],
    tmp_path: Path,
) -> None:
    gguf, folder = tiny("Q4_K_M")
    right = make_adapter(folder, tmp_path / "right", std=SMALL_EFFECT)
    export_adapter(folder, right, tmp_path / "right.gguf", "a")
    assert compared(gguf, folder, right, tmp_path / "right.gguf")["kl"] < 1e-5
    shutil.copytree(right, tmp_path / "wrong")
    fault(tmp_path / "wrong", folder)
    export_adapter(folder, tmp_path / "wrong", tmp_path / "wrong.gguf", "a")
    with pytest.raises(EvaluationError, match="predicts other words"):
        compared(gguf, folder, right, tmp_path / "wrong.gguf")


def test_another_base_than_the_adapter_was_trained_on_is_found(
    tiny: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    _, folder = tiny("Q8_0")
    adapter = make_adapter(folder, tmp_path / "adapter", std=SMALL_EFFECT)
    export_adapter(folder, adapter, tmp_path / "a.gguf", "a")
    other = copy_of(folder, tmp_path / "other")
    edit_weights(other, lambda name, w: w.flip(0) if "layers.0.mlp.down" in name else w, WEIGHTS)
    export_master(other, None, tmp_path / "other.gguf", "other")
    with pytest.raises(EvaluationError, match="on the base itself"):
        compared(tmp_path / "other.gguf", folder, adapter, tmp_path / "a.gguf")


def copy_of(folder: Path, out: Path) -> Path:
    shutil.copytree(folder, out)
    (out / SOURCE).unlink()
    return out


WEIGHTS = "model.safetensors"
SMOLLM = Path.home() / ".cache/localtune-models/SmolLM2-135M-Instruct.Q4_1.gguf"
needs_smollm = pytest.mark.skipif(not SMOLLM.exists(), reason=f"needs {SMOLLM}")


@pytest.mark.slow
@needs_smollm
def test_a_right_adapter_on_a_real_base_passes_and_one_without_a_layer_does_not(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "base"
    unpack(SMOLLM, folder, Silent())
    right = make_adapter(folder, tmp_path / "right", std=SMALL_EFFECT)
    export_adapter(folder, right, tmp_path / "right.gguf", "a")
    found = compared(SMOLLM, folder, right, tmp_path / "right.gguf", QUESTIONS[:1])
    assert found["kl"] < 2e-5 and found["top1"] == 1 and found["quantized_kl"] > 100 * found["kl"]
    shutil.copytree(right, tmp_path / "wrong")
    edit_weights(tmp_path / "wrong", lambda name, weight: weight * (".layers.15." not in name))
    export_adapter(folder, tmp_path / "wrong", tmp_path / "wrong.gguf", "a")
    with pytest.raises(EvaluationError, match="predicts other words"):
        compared(SMOLLM, folder, right, tmp_path / "wrong.gguf", QUESTIONS[:1])


def test_tokens_that_prompts_share_count_once(
    tiny: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    """A default system prompt would else weigh as much as all the questions."""
    gguf, folder = tiny("Q8_0")
    adapter = make_adapter(folder, tmp_path / "adapter", std=SMALL_EFFECT)
    export_adapter(folder, adapter, tmp_path / "a.gguf", "a")
    model = Model(gguf, adapter=tmp_path / "a.gguf")
    once = check(folder, adapter, model, ["Who pays?"], split=splitter(folder), exact=model)
    twice = check(folder, adapter, model, ["Who pays?"] * 2, split=splitter(folder), exact=model)
    assert twice["tokens"] == once["tokens"] + 1 and twice["prompts"] == 2


def test_a_file_without_a_template_is_asked_with_the_plain_one(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "gpt-2")
    (base / "chat_template.jinja").unlink()
    export_master(base, None, tmp_path / "m.gguf", "m")
    unpack(tmp_path / "m.gguf", tmp_path / "folder")
    tokenizer, _ = load(tmp_path / "folder")
    asked = [{"role": "user", "content": "Hi"}]
    wanted = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert Model(tmp_path / "m.gguf", template=PLAIN_TEMPLATE).render(asked) == wanted
