"""A GGUF adapter is what llama.cpp's own script writes, and with its base answers like the merged.

Where the script's file would make llama.cpp answer otherwise than PEFT does
(export/write/gguf_adapter.py says why), what it should have been is worked out here from the
script's own tensors.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf_fields import fields
from loras import add_tokenizer, edit_weights, logits, make_adapter, upon
from peft import LoraConfig, get_peft_model
from random_models import GEMMA, LINEAR_ATTENTION, SMALL, VARIANTS, make_model
from safetensors.torch import load_file, save_file
from script_reference import Script
from test_adapter_refused import assert_refused
from transformers import AutoConfig, AutoModelForImageTextToText

from localtune.evaluation.faithful import divergence
from localtune.export.families import FAMILIES
from localtune.export.write.gguf_adapter import export_adapter
from localtune.export.write.master import export_master
from localtune.llama.engine import EngineModel
from localtune.progress import Silent

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT's, on what is asked for on purpose
# A variant of random_models.py for each family, one more with biases.
TRIED = (
    *("llama", "llama tied, biases, all heads", "mistral", "mixtral", "qwen2", "qwen3"),
    *("qwen3 moe", "qwen3.5", "gemma2", "gemma3", "phi3", "granite", "olmo2", "olmo3", "smollm3"),
    *("starcoder2", "gpt2", "gemma4"),
)
ATTENTION = r".*attn\.(c_attn|[a-z_]*proj[a-z_]*)"
# PEFT 0.21 adapts fused experts too where all linear layers are asked for; see the experts' test.
EXPERTS = ("mixtral", "qwen3 moe")
LAST = r"(h|layers)\.1\..*(o_proj|attn\.c_proj)"
LORAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "patterns": {"alpha_pattern": {LAST: 64}, "rank_pattern": {LAST: 4}},
    "attention only": {"target_modules": ATTENTION},
}
# Models that wrap a text model: {model_type: (text_config, vision_config)}.
SEES = {"hidden_size": 32, "intermediate_size": 64}
IMAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gemma3": (
        {**SMALL, **GEMMA, "vocab_size": 460},
        {**SEES, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28},
    ),
    "qwen3_5": (
        {**SMALL, **LINEAR_ATTENTION, "vocab_size": 512},
        {**SEES, "depth": 1, "num_heads": 2, "out_hidden_size": 256},
    ),
}
NAMES = ("general.tags", "general.base_model")


def tensors(gguf: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in GGUFReader(gguf).tensors}


def said_of(gguf: Path) -> dict[str, Any]:
    return {key: value for key, value in fields(gguf).items() if not key.startswith(NAMES)}


def assert_equal(ours: Path, theirs: Path, lora: str, turned: bool = False) -> None:
    said, wanted = said_of(ours), said_of(theirs)
    if lora == "rslora":
        wanted["adapter.lora.alpha"] = float(np.float32(16 * np.sqrt(8)))
    assert said == wanted
    mine, other = tensors(ours), tensors(theirs)
    assert mine.keys() == other.keys()
    for name, tensor in mine.items():
        source = other[name[:-1] + ("b" if name[-1] == "a" else "a")] if turned else other[name]
        expected = source.data.T if turned else source.data
        shape = [*reversed(source.shape)] if turned else [*source.shape]
        if lora == "patterns" and re.search(r"blk\.1\.attn_output\.weight\.lora_b", name):
            expected = expected * np.float32(4)  # llama.cpp multiplies by 16 / 4, PEFT by 64 / 4
        assert tensor.tensor_type == source.tensor_type, name
        assert [*tensor.shape] == shape, name
        assert np.ascontiguousarray(expected).tobytes() == tensor.data.tobytes(), name


def test_every_family_is_tried() -> None:
    tried = {VARIANTS[variant][0] for variant in TRIED}
    assert len(tried | IMAGES.keys()) == len(FAMILIES) - 1  # not Gemma 4 with images and sound


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untied Llama, for what has nothing to do with families."""
    return add_tokenizer(make_model(tmp_path_factory.mktemp("llama") / "base", "llama", 512))


@pytest.fixture(scope="module", params=TRIED)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base of a family, and its GGUF."""
    folder = tmp_path_factory.mktemp(re.sub(r"\W", "-", request.param))
    padded = not request.param.startswith(("gemma3", "gemma4"))  # no rows without a token there
    size = 512 if padded else 460
    base = add_tokenizer(make_model(folder / "base", request.param, size))
    export_master(base, None, folder / "base.gguf", "base", kind="f32")
    (folder / "variant").write_text(request.param)
    return folder


@pytest.mark.parametrize("lora", LORAS)
def test_equals_the_scripts_and_the_merged_model(
    family: Path, lora: str, lora_script: Script, tmp_path: Path
) -> None:
    variant, base = (family / "variant").read_text(), family / "base"
    given = {"target_modules": ATTENTION} if variant in EXPERTS else {}
    if variant == "gemma4":  # llama.cpp applies no adapter there; see test_adapter_refused.py
        given = {"exclude_modules": ".*per_layer_model_projection"}
    adapter = make_adapter(base, tmp_path / "adapter", **{**given, **LORAS[lora]})
    ours = tmp_path / "ours.gguf"
    export_adapter(base, adapter, ours, "mine")
    theirs = lora_script.convert(base, tmp_path / "theirs.gguf", "f32", adapter=adapter)
    assert_equal(ours, theirs, lora, turned=variant == "gpt2")
    assert_like_merged(family / "base.gguf", base, adapter, ours)


def assert_like_merged(gguf: Path, base: Path, adapter: Path, ours: Path) -> None:
    """In float32, so that only the order of additions differs."""
    merged = ours.with_name("merged.gguf")
    export_master(base, adapter, merged, "merged", kind="f32")
    wanted = logits(merged)
    assert divergence(wanted, logits(gguf)).mean() > 1e-3  # it does change something
    assert divergence(wanted, logits(gguf, ours)).mean() < 1e-6


def test_gpt2_with_the_scripts_file_is_refused(lora_script: Script, tmp_path: Path) -> None:
    """Why ours isn't the script's there."""
    base = add_tokenizer(make_model(tmp_path / "base", "gpt2", 512))
    lora_script.convert(
        base, tmp_path / "theirs.gguf", "f32", adapter=make_adapter(base, tmp_path / "a")
    )
    export_master(base, None, tmp_path / "base.gguf", "base")
    assert not upon(EngineModel(tmp_path / "base.gguf", 512, 1, None), tmp_path / "theirs.gguf")


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16], ids=str)
def test_types(
    kind: str, stored: torch.dtype, llama: Path, lora_script: Script, tmp_path: Path
) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter")
    edit_weights(adapter, lambda name, weight: weight.to(stored))
    export_adapter(llama, adapter, tmp_path / "ours.gguf", "mine", kind=kind)
    theirs = lora_script.convert(llama, tmp_path / "theirs.gguf", kind, adapter=adapter)
    assert_equal(tmp_path / "ours.gguf", theirs, "plain")
    export_master(llama, adapter, tmp_path / "merged.gguf", "merged")
    export_master(llama, None, tmp_path / "base.gguf", "base")
    got = logits(tmp_path / "base.gguf", tmp_path / "ours.gguf")
    assert divergence(logits(tmp_path / "merged.gguf"), got).mean() < 1e-3


def test_embedding_and_head(llama: Path, lora_script: Script, tmp_path: Path) -> None:
    """PEFT saves their own weights beside the factors, which are the base's."""
    names = ["embed_tokens", "lm_head", "q_proj"]
    adapter = make_adapter(llama, tmp_path / "adapter", target_modules=names, use_rslora=True)
    stored = load_file(adapter / "adapter_model.safetensors")
    assert any(name.endswith("embed_tokens.base_layer.weight") for name in stored)
    export_adapter(llama, adapter, tmp_path / "ours.gguf", "mine")
    theirs = lora_script.convert(llama, tmp_path / "theirs.gguf", "f32", adapter=adapter)
    assert_equal(tmp_path / "ours.gguf", theirs, "rslora")
    export_master(llama, None, tmp_path / "base.gguf", "base", kind="f32")
    assert_like_merged(tmp_path / "base.gguf", llama, adapter, tmp_path / "ours.gguf")


def by_expert(base: Path, folder: Path, weights: dict[str, tuple[int, int]], count: int) -> Path:
    """Save an adapter of every expert on its own, as PEFT did with transformers 4."""
    torch.manual_seed(9)
    made = {}
    for layer in range(2):
        for expert in range(count):
            for weight, (rows, columns) in weights.items():
                name = f"base_model.model.model.layers.{layer}.{weight.format(expert)}"
                made[f"{name}.lora_A.weight"] = torch.randn(8, columns) * 0.05
                made[f"{name}.lora_B.weight"] = torch.randn(rows, 8) * 0.05
    folder.mkdir()
    save_file(made, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["w1"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("variant", "weights"),
    [
        (
            "mixtral",
            {
                "block_sparse_moe.experts.{}.w1": (512, 256),
                "block_sparse_moe.experts.{}.w2": (256, 512),
                "block_sparse_moe.experts.{}.w3": (512, 256),
            },
        ),
        (
            "qwen3 moe",
            {
                "mlp.experts.{}.gate_proj": (128, 256),
                "mlp.experts.{}.up_proj": (128, 256),
                "mlp.experts.{}.down_proj": (256, 128),
            },
        ),
    ],
)
def test_experts(
    variant: str, weights: dict[str, tuple[int, int]], lora_script: Script, tmp_path: Path
) -> None:
    base = add_tokenizer(make_model(tmp_path / "base", variant, 512))
    adapter = by_expert(base, tmp_path / "adapter", weights, 4)
    export_adapter(base, adapter, tmp_path / "ours.gguf", "mine")
    theirs = lora_script.convert(base, tmp_path / "theirs.gguf", "f32", adapter=adapter)
    assert_equal(tmp_path / "ours.gguf", theirs, "plain")
    export_master(base, None, tmp_path / "base.gguf", "base", kind="f32")
    assert_like_merged(tmp_path / "base.gguf", base, adapter, tmp_path / "ours.gguf")
    fewer = by_expert(base, tmp_path / "fewer", weights, 3)
    assert_refused(base, fewer, tmp_path / "fewer.gguf", "3 of 4 experts")


class Warnings(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("kind", IMAGES)
def test_the_text_model_of_one_for_images(kind: str, lora_script: Script, tmp_path: Path) -> None:
    text, vision = IMAGES[kind]
    torch.manual_seed(7)
    config = AutoConfig.for_model(kind, text_config=text, vision_config=vision)
    model = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(tmp_path / "base")
    base = add_tokenizer(tmp_path / "base")
    adapter, ours, warnings = tmp_path / "adapter", tmp_path / "ours.gguf", Warnings()
    get_peft_model(model, LoraConfig(r=8, target_modules="all-linear")).save_pretrained(adapter)
    edit_weights(adapter, lambda name, weight: torch.randn_like(weight) * 0.05)
    export_adapter(base, adapter, ours, "mine", progress=warnings)
    assert "no part that writes text" in warnings.said[0]
    theirs = lora_script.convert(base, tmp_path / "theirs.gguf", "f32", adapter=adapter)
    assert_equal(ours, theirs, "plain")
    export_master(base, None, tmp_path / "base.gguf", "base", kind="f32")
    assert_like_merged(tmp_path / "base.gguf", base, adapter, ours)


def test_no_path_of_this_machine_is_written(llama: Path, tmp_path: Path) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter")
    assert str(llama) in (adapter / "README.md").read_text()  # PEFT's model card names it
    export_adapter(llama, adapter, tmp_path / "x.gguf", "mine")
    assert str(llama).encode() not in (tmp_path / "x.gguf").read_bytes()
