"""The master's logits are those of base and adapter merged in torch; a spoilt one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import CHATML, make_adapter, make_base
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import EvaluationError
from localtune.evaluation.faithful import check, torch_logits
from localtune.export.write.master import export_master, export_vocabulary
from localtune.llama.llama import Model, Splitter
from localtune.llama.quantize import quantize
from localtune.training.tokenise import splitter_of, tokenise

QUESTIONS = [f"What does berth {n} cost, and who keeps the key to it?" for n in range(20)]


def test_logits_of_an_untuned_base(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "m.gguf", "m")
    model = Model(tmp_path / "m.gguf")
    ids = model.token_ids("The fee for a mooring is due on 3 March.")
    wanted = torch_logits(AutoModelForCausalLM.from_pretrained(base).eval(), ids)
    got = model.logits(ids)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("kind", "template", "config"),
    [
        ("gpt-2", CHATML, {}),
        ("gpt-2", CHATML, {"tie_word_embeddings": False, "attention_bias": True}),
        ("llama-bpe", CHATML, {"num_key_value_heads": 4}),
        ("spm-prepend", CHATML, {}),
        ("spm-metaspace", PLAIN_TEMPLATE, {"head_dim": 32}),
    ],
)
def test_a_tuned_model_is_exported_faithfully(
    kind: str, template: str, config: dict[str, object], tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base", kind, template, **config)
    adapter = make_adapter(base, tmp_path / "adapter", use_rslora=True)
    export_master(base, adapter, tmp_path / "m.gguf", "m")
    found = check(base, adapter, Model(tmp_path / "m.gguf"), QUESTIONS)
    assert found["prompts"] == 16 and found["kl"] < 1e-3 and found["top1"] > 0.99


INST = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|im_start|> ' + message['content'] + '<|im_end|>' }}{% else %}"
    "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)


def test_lessons_are_split_as_the_runtime_splits(tmp_path: Path) -> None:
    """With SentencePiece llama.cpp puts a space behind special tokens, transformers doesn't."""
    base = make_base(tmp_path / "base", "spm-metaspace", INST)
    adapter = make_adapter(base, tmp_path / "adapter")
    export_master(base, adapter, tmp_path / "m.gguf", "m")
    export_vocabulary(base, tmp_path / "v.gguf")
    model, splitter = Model(tmp_path / "m.gguf"), Splitter(tmp_path / "v.gguf")
    tokenizer = AutoTokenizer.from_pretrained(base)
    lesson = {"messages": [{"role": "user", "content": "Who pays?"}]}
    lesson["messages"].append({"role": "assistant", "content": "The owner."})
    learned = tokenise(lesson, tokenizer, splitter.token_ids).ids
    prompt = model.token_ids(model.render(lesson["messages"][:1]))
    assert learned[: len(prompt)] == prompt
    assert tokenise(lesson, tokenizer, splitter_of(tokenizer)).ids != learned
    assert check(base, adapter, model, QUESTIONS)["spaces"] == 16


def test_a_refusal_says_what_differs_first(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(base, tmp_path / "adapter")
    export_master(base, None, tmp_path / "m.gguf", "m")
    with pytest.raises(EvaluationError, match=r"behind token \d+ of \d+ .* PyTorch says .*logit"):
        check(base, adapter, Model(tmp_path / "m.gguf"), QUESTIONS)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("blk.0.ffn_down.weight", r"layer 1 of 2 is the first .* PyTorch has .* llama.cpp"),
        ("blk.1.ffn_down.weight", "layer 2 of 2 is the first"),
        ("output_norm.weight", "all 2 layers agree, so look at the last norm and the head"),
    ],
)
def test_a_wrong_weight_is_found_and_its_layer_named(
    spoilt: str, said: str, base: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(base, tmp_path / "adapter")
    export_master(base, adapter, tmp_path / "m.gguf", "m")
    spoil(tmp_path / "m.gguf", spoilt)
    with pytest.raises(EvaluationError, match=f"predicts other words.*{said}"):
        check(base, adapter, Model(tmp_path / "m.gguf"), QUESTIONS)


def test_a_lost_adapter_is_found(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(base, tmp_path / "adapter")
    export_master(base, None, tmp_path / "m.gguf", "m")
    with pytest.raises(EvaluationError, match="predicts other words"):
        check(base, adapter, Model(tmp_path / "m.gguf"), QUESTIONS)


def test_another_template_is_found(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(base, tmp_path / "adapter")
    export_master(base, adapter, tmp_path / "m.gguf", "m")
    (adapter / "chat_template.jinja").write_text(PLAIN_TEMPLATE)
    with pytest.raises(EvaluationError, match="renders a prompt"):
        check(base, adapter, Model(tmp_path / "m.gguf"), QUESTIONS)


def spoil(file: Path, name: str) -> None:
    """Turn a tensor's rows upside down, as a forgotten permutation would, or a vector's sign."""
    reader = GGUFReader(file, "r+")
    data = next(tensor for tensor in reader.tensors if tensor.name == name).data
    data[:] = -data if data.ndim == 1 else data[::-1].copy()
    data.flush()


@pytest.mark.parametrize("level", ["Q8_0", "Q4_K_M", "Q2_K", "IQ4_XS", "F16"])
@pytest.mark.parametrize("width", [64, 256])
def test_levels_of_any_width(level: str, width: int, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "gpt-2", hidden_size=width, intermediate_size=width * 2)
    export_master(base, None, tmp_path / "m.gguf", "m")
    quantize(tmp_path / "m.gguf", tmp_path / "q.gguf", level)
    model, master = Model(tmp_path / "q.gguf"), Model(tmp_path / "m.gguf")
    ids = master.token_ids("The fee for a mooring")
    got, wanted = model.logits(ids).ravel(), master.logits(ids).ravel()
    assert np.corrcoef(got, wanted)[0, 1] > 0.5  # random weights bear little
    assert (tmp_path / "q.gguf").stat().st_size <= (tmp_path / "m.gguf").stat().st_size
