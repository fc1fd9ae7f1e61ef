"""What llama.cpp couldn't load, what no file of a model says, and what must be warned of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from random_models import edit, make_model, read
from safetensors.torch import load_file, save_file
from test_families import tokenizer as tokenizer  # the fixture
from test_families import with_tokenizer
from test_found import LONG, base, change, plain
from test_merged import make
from test_refused import Warnings

from localtune.errors import ExportError
from localtune.export.convert import convert
from localtune.export.merge import merge
from localtune.export.write.master import export_master

Json = dict[str, Any]
__all__ = ["base", "plain"]  # the fixtures


def bias(base: Path) -> None:
    held = load_file(base / "model.safetensors")
    held["model.layers.0.self_attn.o_proj.bias"] = torch.ones(256, dtype=torch.bfloat16)
    save_file(held, base / "model.safetensors", {"format": "pt"})


def unbias(base: Path) -> None:
    held = load_file(base / "model.safetensors")
    kept = {name: tensor for name, tensor in held.items() if not name.endswith("c_fc.bias")}
    save_file(kept, base / "model.safetensors", {"format": "pt"})


def tie(base: Path) -> None:
    held = load_file(base / "model.safetensors")
    del held["lm_head.weight"]
    save_file(held, base / "model.safetensors", {"format": "pt"})
    edit(base, tie_word_embeddings=True)


def untie(base: Path) -> None:
    held = load_file(base / "model.safetensors")
    held["lm_head.weight"] = held["model.embed_tokens.weight"] + 1
    save_file(held, base / "model.safetensors", {"format": "pt"})
    edit(base, tie_word_embeddings=False)


def double(base: Path) -> None:
    held = load_file(base / "model.safetensors")
    held["norm.weight"] = held["model.norm.weight"] + 1
    save_file(held, base / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("kind", "do", "word"),
    [
        ("qwen3", bias, "a bias of layers.0.self_attn.o_proj"),
        ("starcoder2", unbias, "no bias of layers.0.mlp.c_fc"),
        ("olmo2", tie, "an output that is its embedding"),
        ("gemma2", untie, "an output other than its embedding"),
        ("olmo2", lambda base: edit(base, head_dim=32), "heads of 32 dimensions"),
        ("llama", lambda base: edit(base, num_hidden_layers=1), "1 layers"),
        ("llama", double, "norm.weight twice"),
    ],
)
def test_what_llama_cpp_could_not_load(
    kind: str, do: Callable[[Path], None], word: str, tokenizer: Path, tmp_path: Path
) -> None:
    base = with_tokenizer(make_model(tmp_path / "base", kind, 512), tokenizer)
    do(base)
    with pytest.raises(ExportError, match=word):
        export_master(base, None, tmp_path / "m.gguf", "m")
    assert not (tmp_path / "m.gguf").exists()


def test_a_tuned_head_that_gemma_2_has_no_place_for(tmp_path: Path) -> None:
    base, adapter = make(tmp_path, "gemma2", target_modules=["q_proj", "lm_head"])
    with pytest.raises(ExportError, match="output other than its embedding"):
        export_master(base, adapter, tmp_path / "m.gguf", "m")


@pytest.mark.parametrize(
    "values",
    [
        {"intermediate_size": None},
        {"intermediate_size": "512"},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": -1},
        {"num_key_value_heads": "2"},
        {"head_dim": [64]},
        {"max_position_embeddings": 2**40},
        {"rms_norm_eps": "x"},
        {"rms_norm_eps": float("nan")},
        {"rope_parameters": "x"},
        {"rope_parameters": None, "rope_scaling": [1]},
        {"architectures": {"a": 1}},
        {"text_config": [1]},
        {"sliding_window": "x"},
    ],
    ids=str,
)
def test_values_that_no_config_has(values: Json, base: Path, tmp_path: Path) -> None:
    change(base / "config.json", **values)
    with pytest.raises(ExportError, match=r"config\.json"):
        export_master(base, None, tmp_path / "m.gguf", "m")


@pytest.mark.parametrize("name", ["../outside.safetensors", "{}", 1, None])
def test_an_index_names_files_of_its_folder_only(name: Any, base: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.safetensors"
    shutil.copyfile(base / "model.safetensors", outside)
    name = name.format(outside) if isinstance(name, str) else name
    index = {"weight_map": dict.fromkeys(load_file(outside), name)}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ExportError, match="no file of the folder"):
        export_master(base, None, tmp_path / "m.gguf", "m")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_json_too_deep_to_read(file: str, base: Path, tmp_path: Path) -> None:
    deep = b"[" * 100_000
    length = len(deep).to_bytes(8, "little") if file.endswith(".safetensors") else b""
    (base / file).write_bytes(length + deep)
    with pytest.raises(ExportError, match="can't be read"):
        export_master(base, None, tmp_path / "m.gguf", "m")


@pytest.mark.parametrize(
    "values",
    [
        {"model": "x"},
        {"model": {"type": "BPE", "vocab": [1]}},
        {"added_tokens": [{"content": "x"}]},
    ],
    ids=str,
)
def test_a_tokenizer_json_that_is_none(values: Json, base: Path, tmp_path: Path) -> None:
    change(base / "tokenizer.json", **values)
    with pytest.raises(ExportError):
        convert(base, tmp_path / "m.gguf", converter="own")


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
WARNED: list[tuple[str, Json, str]] = [
    ("qwen2", {**YARN, "attention_factor": 1.0}, "scales attention by 1.000"),
    ("qwen2", {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}, "scales attention by 1.000"),
    ("qwen2", {**YARN, "beta_fast": 20}, "beta_fast is 20"),
    ("qwen2", {**YARN, "truncate": False}, "truncate is False"),
    ("phi3", {**LONG, "rope_type": "longrope", "attention_factor": 2.0}, "factors of attention"),
]


@pytest.mark.parametrize(("kind", "scaling", "word"), WARNED)
def test_stretchings_that_llama_cpp_computes_otherwise(
    kind: str, scaling: Json, word: str, tokenizer: Path, tmp_path: Path
) -> None:
    base, loud = make_model(tmp_path / "base", kind, 512), Warnings()
    edit(with_tokenizer(base, tokenizer), rope_parameters={**scaling, "rope_theta": 1e4})
    export_master(base, None, tmp_path / "m.gguf", "m", progress=loud)
    assert word in loud.said[0]


@pytest.mark.parametrize("kind", ["gemma2", "gemma3"])
def test_windows_in_other_layers_are_warned_of(kind: str, tokenizer: Path, tmp_path: Path) -> None:
    base, quiet, loud = make_model(tmp_path / "base", kind, 461), Warnings(), Warnings()
    export_master(with_tokenizer(base, tokenizer), None, tmp_path / "m", "m", progress=quiet)
    edit(base, layer_types=["full_attention", "sliding_attention"])
    export_master(base, None, tmp_path / "m", "m", progress=loud)
    assert not quiet.said and "full attention isn't in every" in loud.said[0]
    assert read(base)["layer_types"][0] == "full_attention"


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("folder", "is no file"),
        ("pipe.gguf", "is no file"),
        ("base/model.safetensors", "belongs to the model"),
        ("base/config.json/m.gguf", "Nothing can be written"),
    ],
)
def test_nothing_is_written_over_but_a_gguf(
    target: str, word: str, base: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
    with pytest.raises(ExportError, match=word):
        convert(base, tmp_path / target)
    assert {path: path.stat().st_size for path in tmp_path.rglob("*")} == before
    convert(base, base / "m.gguf")
    convert(base, base / "m.gguf")  # again, over the one before


def test_a_merge_into_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, adapter = make(tmp_path, "llama")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ExportError, match="exists already"):
        merge(made, adapter, Path())
