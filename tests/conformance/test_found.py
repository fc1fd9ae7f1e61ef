"""What was found by trying what nobody had: files as people have them, adapters as PEFT runs them.

Each test is of one thing that was wrong, or would have been written and not loaded.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TEXT
from gguf_fields import fields
from peft import PeftModel
from random_models import edit, make_model
from safetensors.torch import load_file, save_file
from script_reference import Script
from test_families import assert_equal, difference, with_tokenizer
from test_families import tokenizer as tokenizer
from test_merged import make, merged_by_peft, weights
from test_refused import Warnings
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from localtune.errors import ExportError
from localtune.evaluation.faithful import divergence, torch_logits
from localtune.export.merge import merge
from localtune.export.write.master import export_master
from localtune.llama.llama import Model

Json = dict[str, Any]
IDS = [5 + (i * 37) % 440 for i in range(64)]
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tokenizer: Path) -> Path:
    """A base whose files are changed in copies."""
    made = make_model(tmp_path_factory.mktemp("plain") / "base", "llama", 512)
    return with_tokenizer(made, tokenizer)


@pytest.fixture
def base(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "base"))


def change(file: Path, **values: Any) -> None:
    held = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**held, **values}))


def logits(folder: Path) -> Any:
    """Return transformers' logits behind IDS."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return torch_logits(model.eval(), IDS)


def begins_with(token: str, id_: int) -> Json:
    """Return a post-processor that puts a token in front."""
    first, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A"}}
    text["Sequence"]["type_id"] = 0  # type: ignore[assignment]
    made = {"type": "TemplateProcessing", "single": [first, text], "pair": [first, text]}
    made["pair"] = [*made["pair"], {"Sequence": {"id": "B", "type_id": 1}}]
    return {**made, "special_tokens": {token: {"id": token, "ids": [id_], "tokens": [token]}}}


# What the tokenizer puts in front, then what tokenizer_config.json says of it.
BEGINNINGS: dict[str, tuple[Json, Json]] = {
    "said, not done": (BYTES, {"bos_token": "<pad>", "add_bos_token": True}),
    "done, not said": (begins_with("<pad>", 0), {"bos_token": "<pad>", "add_bos_token": False}),
    "as transformers 4 wrote it": (
        begins_with("<pad>", 0),
        {"bos_token": {"__type": "AddedToken", "content": "<pad>"}},
    ),
    "without a name": (begins_with("<pad>", 0), {}),
}


@pytest.mark.parametrize("case", BEGINNINGS)
def test_the_tokenizer_itself_says_what_goes_in_front(
    case: str, base: Path, script: Script, tmp_path: Path
) -> None:
    post, said = BEGINNINGS[case]
    change(base / "tokenizer.json", post_processor=post)
    change(base / "tokenizer_config.json", **said)
    export_master(base, None, tmp_path / "ours.gguf", "m")
    model, stored = (
        Model(tmp_path / "ours.gguf"),
        Tokenizer.from_file(str(base / "tokenizer.json")),
    )
    for text in TEXT:
        assert model.token_ids(text) == stored.encode(text).ids
    if not isinstance(said.get("bos_token"), dict):  # transformers 5 refuses to load it
        theirs = script.convert(base, tmp_path / "theirs.gguf", pre="gpt-2")
        assert not difference(fields(tmp_path / "ours.gguf"), fields(theirs))


def test_tokens_that_only_tokenizer_config_has(base: Path, script: Script, tmp_path: Path) -> None:
    flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    new = {"content": "<new>", "special": False, **flags}
    change(
        base / "tokenizer_config.json",
        tokenizer_class="PreTrainedTokenizerFast",
        added_tokens_decoder={"470": new, "471": {**new, "content": "<end>"}},
        pad_token="<end>",
    )
    export_master(base, None, tmp_path / "ours.gguf", "m")
    theirs = script.convert(base, tmp_path / "theirs.gguf", pre="gpt-2")
    assert not difference(fields(tmp_path / "ours.gguf"), fields(theirs))
    assert Model(tmp_path / "ours.gguf").token_ids("<new>") == [461]  # the next free one


def test_several_templates_come_in_one_order(base: Path, tmp_path: Path) -> None:
    (base / "chat_template.jinja").unlink(missing_ok=True)
    names = [f"kind{i}" for i in range(9, 0, -1)]
    several = [{"name": name, "template": name} for name in ("default", *names)]
    change(base / "tokenizer_config.json", chat_template=several)
    export_master(base, None, tmp_path / "m.gguf", "m")
    said = fields(tmp_path / "m.gguf")
    assert said["tokenizer.chat_templates"] == sorted(names)
    assert said["tokenizer.chat_template"] == "default"


def test_two_tokens_of_the_same_text_are_refused(base: Path, tmp_path: Path) -> None:
    """llama.cpp would end the process."""
    stored = json.loads((base / "tokenizer.json").read_text("utf-8"))
    added = [*stored["added_tokens"], {**stored["added_tokens"][0], "id": 480, "content": "a"}]
    change(base / "tokenizer.json", added_tokens=added)
    with pytest.raises(ExportError, match="same text 'a'"):
        export_master(base, None, tmp_path / "m.gguf", "m")


LONG = {"long_factor": [1.5] * 32, "short_factor": [1.0] * 32}
STRETCHED: dict[str, tuple[str, Json]] = {
    "yarn": ("llama", {"rope_type": "yarn", "factor": 4.0}),
    "llama 3": ("llama", {"rope_type": "llama3", "factor": 8.0}),
    "beside and in it": ("phi3", {**LONG, "type": "longrope", "factor": None}),
    "phi 3's first": ("phi3", {**LONG, "type": "yarn"}),
}


@pytest.mark.parametrize("case", STRETCHED)
def test_how_long_the_context_was(
    case: str, script: Script, tokenizer: Path, tmp_path: Path
) -> None:
    kind, scaling = STRETCHED[case]
    base = with_tokenizer(make_model(tmp_path / "base", kind, 512), tokenizer)
    if case == "llama 3":
        scaling = {**scaling, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    if kind == "phi3":
        inside = {"original_max_position_embeddings": 64}
        scaling = {key: value for key, value in {**scaling, **inside}.items() if value}
        edit(base, original_max_position_embeddings=128)
    edit(base, rope_parameters=None, rope_theta=10000.0, rope_scaling=scaling)
    export_master(base, None, tmp_path / "ours.gguf", "m")
    assert_equal(
        tmp_path / "ours.gguf", script.convert(base, tmp_path / "theirs.gguf", pre="gpt-2")
    )


def test_no_padding_and_null_heads(base: Path, tmp_path: Path) -> None:
    held = load_file(base / "model.safetensors")
    wide = {
        name: torch.cat([tensor, tensor]) if "k_proj" in name or "v_proj" in name else tensor
        for name, tensor in held.items()
    }
    save_file(wide, base / "model.safetensors", {"format": "pt"})
    change(base / "config.json", pad_token_id=-1, num_key_value_heads=None)
    change(base / "config.json", architectures=["MistralForCausalLM"], model_type="mistral")
    export_master(base, None, tmp_path / "m.gguf", "m")
    said = fields(tmp_path / "m.gguf")
    assert said["llama.attention.head_count_kv"] == 4
    assert "tokenizer.ggml.padding_token_id" not in said


def test_a_gemma_3_with_a_head_of_its_own(script: Script, tokenizer: Path, tmp_path: Path) -> None:
    base = with_tokenizer(make_model(tmp_path / "base", "gemma3", 461), tokenizer)
    held = load_file(base / "model.safetensors")
    held["lm_head.weight"] = torch.randn_like(held["model.embed_tokens.weight"]) * 0.05
    save_file(held, base / "model.safetensors", {"format": "pt"})
    edit(base, tie_word_embeddings=False)
    export_master(base, None, tmp_path / "ours.gguf", "m")
    theirs = script.convert(base, tmp_path / "theirs.gguf", pre="gpt-2")
    assert_equal(tmp_path / "ours.gguf", theirs)
    wanted, got = logits(base), Model(tmp_path / "ours.gguf").logits(IDS)
    assert divergence(wanted, got[:, : wanted.shape[1]]).mean() < 1e-3


UNTIED_BY: dict[str, tuple[str, Json]] = {
    "whole embedding": ("qwen2", {"modules_to_save": ["embed_tokens"]}),
    "LoRA on it": ("smollm3", {"target_modules": ["q_proj", "embed_tokens"]}),
    "Gemma 3's": ("gemma3", {"target_modules": ["q_proj", "embed_tokens"]}),
    "Gemma 3's head": ("gemma3", {"modules_to_save": ["lm_head"]}),
    "GPT-2's": ("gpt2", {"target_modules": ["wte"]}),
    "GPT-2's head and layers": ("gpt2", {"target_modules": ["lm_head", "attn.c_proj", "c_fc"]}),
}


@pytest.mark.parametrize("case", UNTIED_BY)
def test_a_tied_base_answers_as_peft_trained_it(case: str, tmp_path: Path) -> None:
    """PEFT runs with the head as it was, or as the adapter has it; merging may change both."""
    kind, settings = UNTIED_BY[case]
    base, adapter = make(tmp_path, kind, **settings)
    torch_model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wanted = torch_logits(PeftModel.from_pretrained(torch_model, str(adapter)).eval(), IDS)
    export_master(base, adapter, tmp_path / "m.gguf", "m", kind="f32")
    got = Model(tmp_path / "m.gguf").logits(IDS)[:, : wanted.shape[1]]
    assert divergence(wanted, got).mean() < 1e-4
    merge(base, adapter, tmp_path / "merged")
    assert divergence(wanted, logits(tmp_path / "merged")).mean() < 1e-4


def test_an_adapter_that_says_nothing_of_its_alpha(tmp_path: Path) -> None:
    base, adapter = make(tmp_path, "llama", lora_alpha=8)
    theirs = merged_by_peft(base, adapter, tmp_path / "theirs")
    config = json.loads((adapter / "adapter_config.json").read_text())
    del config["lora_alpha"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    export_master(base, adapter, tmp_path / "ours.gguf", "m", kind="f32")
    export_master(theirs, None, tmp_path / "theirs.gguf", "m", kind="f32")
    ours, wanted = weights(tmp_path / "ours.gguf"), weights(tmp_path / "theirs.gguf")
    for name, weight in wanted.items():
        np.testing.assert_allclose(ours[name], weight, rtol=1e-4, atol=2e-6, err_msg=name)
    for odd in ({"lora_alpha": "16"}, {"alpha_pattern": {"(": 3}}, {"alpha_pattern": [1]}):
        change(adapter / "adapter_config.json", **{"lora_alpha": 8, "alpha_pattern": {}, **odd})
        with pytest.raises(ExportError, match="alpha"):
            export_master(base, adapter, tmp_path / "ours.gguf", "m")


def test_copies_beside_the_model_are_not_read(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "usual.gguf", "m")
    held = load_file(base / "model.safetensors")
    save_file({k: v * 2 for k, v in held.items()}, base / "model.z.safetensors", {"format": "pt"})
    export_master(base, None, tmp_path / "m.gguf", "m")
    assert (tmp_path / "m.gguf").read_bytes() == (tmp_path / "usual.gguf").read_bytes()


def test_a_card_as_people_write_them(base: Path, tmp_path: Path) -> None:
    (base / "README.md").write_text(
        "---\nlicense: [mit, apache-2.0]\nlanguage: [en, no]\ntags: [a, 3]\nversion: 1.0\n---\n"
    )
    change(base / "generation_config.json", top_k=20.0, temperature="hot", top_p=1, min_p=None)
    export_master(base, None, tmp_path / "m.gguf", "m")
    said = fields(tmp_path / "m.gguf")
    assert said["general.license"] == "mit,apache-2.0"
    assert said["general.languages"] == ["en", "no"]
    assert said["general.tags"] == ["a", "3"]
    assert said["general.sampling.top_k"] == 20
    assert said["general.sampling.top_p"] == 1.0
    assert "general.sampling.temp" not in said


@pytest.mark.parametrize("card", [b"---\nlicense: [a\n---\n", b"---\nlicense: \xff\n---\n"])
def test_a_card_that_cannot_be_read_is_left_away(card: bytes, base: Path, tmp_path: Path) -> None:
    (base / "README.md").write_bytes(card)
    change(base / "generation_config.json", temperature=0.5)
    loud = Warnings()
    export_master(base, None, tmp_path / "m.gguf", "m", progress=loud)
    assert "README.md" in loud.said[0]
    assert fields(tmp_path / "m.gguf")["general.sampling.temp"] == 0.5


def test_gemma_2_without_caps_is_not_capped(tokenizer: Path, tmp_path: Path) -> None:
    """llama.cpp caps Gemma 2's logits whatever the file says, so the caps are out of reach."""
    base = with_tokenizer(make_model(tmp_path / "base", "gemma2", 512), tokenizer)
    held = load_file(base / "model.safetensors")
    norm = next(name for name in held if name.endswith("model.norm.weight"))
    held[norm] = torch.full_like(held[norm], 60.0)  # logits that 30 would cap
    save_file(held, base / "model.safetensors", metadata={"format": "pt"})
    caps = {"attn_logit_softcapping": None, "final_logit_softcapping": None}
    change(base / "config.json", **caps)
    export_master(base, None, tmp_path / "m.gguf", "m", kind="f32")
    wanted, got = logits(base), Model(tmp_path / "m.gguf").logits(IDS)
    assert np.abs(wanted).max() > 30
    assert divergence(wanted, got[:, : wanted.shape[1]]).mean() < 1e-3


def test_a_layers_number_is_written_without_zeros(base: Path, tmp_path: Path) -> None:
    held = load_file(base / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    held["model.layers.00.mlp.up_proj.weight"] = held[name].clone()
    save_file(held, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match=r"layers\.00"):
        export_master(base, None, tmp_path / "m.gguf", "m")
