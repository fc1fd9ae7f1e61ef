"""What can't become a right GGUF is refused, clearly and before anything is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from random_models import edit, make_model, read
from safetensors.torch import load_file, save_file
from test_merged import make, weights
from tokenizers import Tokenizer

from localtune.errors import DiskFullError, ExportError, UnsupportedError
from localtune.export.convert import convert
from localtune.export.write.master import export_master
from localtune.progress import Silent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and an adapter that fit."""
    folder = tmp_path_factory.mktemp("whole")
    make(folder, "llama")
    return folder


@pytest.fixture
def base(whole: Path, tmp_path: Path) -> Path:
    """A copy of the base, to be damaged."""
    return Path(shutil.copytree(whole / "base", tmp_path / "base"))


def refused(base: Path, match: str, adapter: Path | None = None) -> None:
    out = base.parent / "m.gguf"
    with pytest.raises(ExportError, match=match) as caught:
        export_master(base, adapter, out, "m")
    assert caught.value.hint
    assert [p for p in base.parent.iterdir() if ".gguf" in p.name] == []


def change(base: Path, **tensors: torch.Tensor | None) -> None:
    """Replace tensors, whose names have __ for dots; None removes one."""
    held = load_file(base / "model.safetensors")
    for name, tensor in tensors.items():
        held.pop(name.replace("__", "."))
        if tensor is not None:
            held[name.replace("__", ".")] = tensor
    save_file(held, base / "model.safetensors", {"format": "pt"})


def test_a_file_cut_short(base: Path) -> None:
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    refused(base, "cut short")


@pytest.mark.parametrize(
    "content", [b"", b"\x08\0\0\0\0\0\0\0nonsense", b"\xff" * 64, b"PK\3\4" * 9]
)
def test_a_file_that_is_no_safetensors(content: bytes, base: Path) -> None:
    (base / "model.safetensors").write_bytes(content)
    refused(base, "can't be read|not a safetensors|broken")


def test_a_header_that_lies(base: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(64)
    (base / "model.safetensors").write_bytes(content)
    refused(base, "broken header")


def test_a_missing_shard(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", "llama", 460, max_shard_size="200KB")
    sorted(base.glob("model-*.safetensors"))[1].unlink()
    refused(base, "lacks model-00002")


def test_no_safetensors_at_all(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    refused(base, "holds no safetensors")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers(bad: float, base: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    tensor = load_file(base / "model.safetensors")[name]
    tensor[3, 5] = bad
    change(base, model__layers__1__mlp__up_proj__weight=tensor)
    refused(base, "model.layers.1.mlp.up_proj|layers.1.mlp.up_proj")
    change(base, model__layers__1__mlp__up_proj__weight=tensor.bfloat16())
    refused(base, "not a number")


def test_a_shape_that_config_contradicts(base: Path) -> None:
    edit(base, intermediate_size=1024)
    refused(base, r"\(256, 512\).* asks for \(256, 1024\)")


def test_a_vocabulary_of_another_size(base: Path) -> None:
    edit(base, vocab_size=500)
    refused(base, "asks for")


def test_more_layers_than_there_are(base: Path) -> None:
    edit(base, num_hidden_layers=3)
    refused(base, r"lack layers\.2\..* and \d+ more")


def test_a_tensor_of_another_architecture(base: Path) -> None:
    change(base, model__norm__weight=None)
    refused(base, "lack norm")
    held = load_file(base / "model.safetensors")
    held["model.layers.0.adapter.weight"] = torch.ones(2)
    save_file(held, base / "model.safetensors", {"format": "pt"})
    refused(base, "no llama model has")


def test_config_that_is_no_json(base: Path) -> None:
    (base / "config.json").write_text("{")
    refused(base, "can't be read")
    edit_to = {"architectures": ["LlamaForCausalLM"]}
    (base / "config.json").write_text(json.dumps(edit_to))
    refused(base, "doesn't say")


def test_an_architecture_nobody_declares(base: Path) -> None:
    edit(base, architectures=["NobodyForCausalLM"])
    refused(base, "NobodyForCausalLM")
    edit(base, architectures=["LlamaForCausalLM"], quantization_config={"quant_method": "gptq"})
    refused(base, "quantized")


def test_an_unknown_way_to_split_text(base: Path) -> None:
    file = base / "tokenizer.json"
    stored = json.loads(file.read_text())
    stored["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    file.write_text(json.dumps(stored))
    Tokenizer.from_file(str(file))  # a tokenizer all the same
    with pytest.raises(UnsupportedError, match="splits text"):
        convert(base, base.parent / "m.gguf", converter="own")


def test_no_tokenizer(base: Path) -> None:
    (base / "tokenizer.json").unlink()
    refused(base, "no tokenizer.json")


def test_a_tokenizer_of_a_larger_model(base: Path) -> None:
    file = base / "tokenizer.json"
    made = Tokenizer.from_file(str(file))
    made.add_tokens([f"new{i}" for i in range(9)])
    made.save(str(file))
    refused(base, "ids up to")


def test_an_adapter_of_another_base(base: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, adapter = make(tmp_path / "other", "qwen3")  # wider heads
    refused(base, "another base|was made for", adapter)
    (tmp_path / "third").mkdir()
    _, adapter = make(tmp_path / "third", "gpt2")
    refused(base, "which the base doesn't have", adapter)


def test_an_adapter_that_is_damaged(base: Path, whole: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(whole / "adapter", tmp_path / "adapter"))
    file = adapter / "adapter_model.safetensors"
    held = load_file(file)
    name = next(name for name in held if "lora_A" in name)
    save_file({**held, name: held[name] * float("nan")}, file)
    refused(base, "not a number", adapter)
    save_file({key: value for key, value in held.items() if key != name}, file)
    refused(base, "only half", adapter)
    file.write_bytes(file.read_bytes()[:-10])
    refused(base, "cut short", adapter)


def test_no_room_on_the_disk(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1))
    with pytest.raises(DiskFullError, match="free"):
        export_master(base, None, base.parent / "m.gguf", "m")
    assert not list(base.parent.glob("*gguf*"))


def test_weights_too_large_for_f16(base: Path) -> None:
    tensor = load_file(base / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    change(base, model__layers__0__mlp__up_proj__weight=tensor * 1e7)
    with pytest.raises(ExportError, match="F16 can't express"):
        export_master(base, None, base.parent / "m.gguf", "m", kind="f16")
    export_master(base, None, base.parent / "m.gguf", "m")


def test_a_tied_weight_stored_as_the_head_only(tmp_path: Path) -> None:
    base, _ = make(tmp_path, "llama tied, biases, all heads")
    export_master(base, None, tmp_path / "usual.gguf", "m")
    held = load_file(base / "model.safetensors")
    held["lm_head.weight"] = held.pop("model.embed_tokens.weight")
    save_file(held, base / "model.safetensors", {"format": "pt"})
    export_master(base, None, tmp_path / "m.gguf", "m")
    usual, other = weights(tmp_path / "usual.gguf"), weights(tmp_path / "m.gguf")
    assert usual.keys() == other.keys()
    assert np.array_equal(usual["token_embd.weight"], other["token_embd.weight"])


def test_gpt2_without_n_ctx_and_without_prefix(tmp_path: Path) -> None:
    base, _ = make(tmp_path, "gpt2")
    export_master(base, None, tmp_path / "usual.gguf", "m")
    edit(base, n_ctx=None)
    held = load_file(base / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in held.items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 8, 8)  # a mask that old files hold
    save_file(bare, base / "model.safetensors", {"format": "pt"})
    export_master(base, None, tmp_path / "m.gguf", "m")
    assert (tmp_path / "m.gguf").read_bytes() == (tmp_path / "usual.gguf").read_bytes()


class Warnings(Silent):
    """Keeps what was warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("variant", "values", "word"),
    [
        ("llama", {"hidden_act": "relu"}, "hidden_act"),
        ("qwen3 moe", {"norm_topk_prob": False}, "norm_topk_prob"),
        ("gemma2", {"query_pre_attn_scalar": 100}, "query_pre_attn_scalar"),
        ("starcoder2", {"use_bias": False}, "use_bias"),
        ("mistral", {"sliding_window": 128}, "sliding_window"),
        ("smollm3", {"no_rope_layers": [0, 1]}, "no_rope_layers"),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_said(
    variant: str, values: dict[str, object], word: str, tmp_path: Path
) -> None:
    base, _ = make(tmp_path, variant, target_modules=["q_proj"])
    quiet, loud = Warnings(), Warnings()
    export_master(base, None, tmp_path / "m.gguf", "m", progress=quiet)
    assert quiet.said == []
    edit(base, **values)
    export_master(base, None, tmp_path / "m.gguf", "m", progress=loud)
    assert word in loud.said[0]
    assert read(base)[word] == values[word]
