"""Base and adapter, merged while they are written, are what PEFT merges: every kind of adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CHATML, KINDS
from gguf import GGUFReader
from peft import LoraConfig, PeftModel, get_peft_model
from random_models import make_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.errors import ExportError
from localtune.export.convert import convert
from localtune.export.merge import merge
from localtune.export.write.master import export_master

ADAPTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("llama", {}),
    "attention only": ("qwen3", {"target_modules": ["q_proj", "v_proj"]}),
    "rank-stabilised": ("llama", {"use_rslora": True}),
    "alpha pattern": ("qwen2", {"alpha_pattern": {"q_proj": 64, "layers.1.mlp.*": 3}}),
    "rank pattern": ("gemma2", {"rank_pattern": {"down_proj": 4}, "use_rslora": True}),
    "DoRA": ("llama", {"use_dora": True}),
    "DoRA on fused": ("phi3", {"use_dora": True}),
    "Conv1D": ("gpt2", {}),
    "DoRA on Conv1D": ("gpt2", {"use_dora": True}),
    "biases": ("qwen2", {"bias": "all"}),
    "bias of B": ("llama tied, biases, all heads", {"lora_bias": True}),
    "whole head": ("llama", {"modules_to_save": ["lm_head"]}),
    "embedding": ("llama", {"target_modules": ["q_proj", "embed_tokens"]}),
    "embedding and head": ("llama", {"target_modules": ["o_proj", "embed_tokens", "lm_head"]}),
}


def make(folder: Path, family: str, **lora: Any) -> tuple[Path, Path]:
    """Save a random base and a random adapter for it."""
    base = make_model(folder / "base", family, 460, torch.float32)
    tokenizer = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    chosen = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(model, LoraConfig(**{**chosen, **lora}))
    torch.manual_seed(8)
    for name, weight in tuned.named_parameters():
        if "magnitude" in name:
            weight.data *= 1 + 0.2 * torch.rand_like(weight)
        elif "lora_" in name or (weight.requires_grad and name.endswith("bias")):
            torch.nn.init.normal_(weight, std=0.1)
        elif weight.requires_grad:
            weight.data += 0.05 * torch.randn_like(weight)
    tuned.save_pretrained(folder / "adapter")
    return base, folder / "adapter"


def merged_by_peft(base: Path, adapter: Path, folder: Path) -> Path:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(folder)
    for file in base.glob("tok*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def weights(gguf: Path) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in GGUFReader(gguf).tensors}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_an_adapter_is_merged_as_peft_merges_it(kind: str, tmp_path: Path) -> None:
    family, lora = ADAPTERS[kind]
    base, adapter = make(tmp_path, family, **lora)
    theirs = merged_by_peft(base, adapter, tmp_path / "peft")
    export_master(base, adapter, tmp_path / "ours.gguf", "m", kind="f32")
    export_master(theirs, None, tmp_path / "theirs.gguf", "m", kind="f32")
    export_master(base, None, tmp_path / "base.gguf", "m", kind="f32")
    ours, wanted = weights(tmp_path / "ours.gguf"), weights(tmp_path / "theirs.gguf")
    untuned = weights(tmp_path / "base.gguf")
    assert ours.keys() == wanted.keys()
    for name, weight in wanted.items():
        np.testing.assert_allclose(ours[name], weight, rtol=1e-4, atol=2e-6, err_msg=name)
    changed = [name for name in untuned if not np.array_equal(untuned[name], ours[name])]
    assert changed
    merge(base, adapter, tmp_path / "merged")
    mine = load_file(tmp_path / "merged" / "model.safetensors")
    for name, tensor in load_file(theirs / "model.safetensors").items():
        torch.testing.assert_close(mine[name], tensor, rtol=1e-4, atol=2e-6, msg=name)
    AutoModelForCausalLM.from_pretrained(tmp_path / "merged")


def test_a_tuned_head_of_a_tied_base_becomes_its_own(tmp_path: Path) -> None:
    """PEFT would change the embedding with it, though it was trained with the old one."""
    base, adapter = make(
        tmp_path, "llama tied, biases, all heads", target_modules=["q_proj", "lm_head"]
    )
    export_master(base, adapter, tmp_path / "ours.gguf", "m", kind="f32")
    ours, untuned = weights(tmp_path / "ours.gguf"), load_file(base / "model.safetensors")
    embedding = untuned["model.embed_tokens.weight"].numpy()
    assert np.array_equal(ours["token_embd.weight"], embedding)
    assert not np.allclose(ours["output.weight"], embedding, atol=1e-3)
    merge(base, adapter, tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    head = model.lm_head.weight.detach().numpy()
    np.testing.assert_allclose(head, ours["output.weight"], atol=1e-5)
    assert not np.allclose(head, model.model.embed_tokens.weight.detach().numpy(), atol=1e-3)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_types(kind: str, tmp_path: Path) -> None:
    base, adapter = make(tmp_path, "llama")
    assert convert(base, tmp_path / "m.gguf", adapter=adapter, kind=kind) == "own"
    types = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "m.gguf").tensors}
    assert types["blk.0.attn_q.weight"] == kind.upper()
    assert types["blk.0.attn_norm.weight"] == "F32"


def test_shards_and_every_source_type(tmp_path: Path) -> None:
    files = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        base = make_model(tmp_path / "base", "qwen3", 460, dtype, max_shard_size="200KB")
        assert len(list(base.glob("model-*.safetensors"))) > 1
        tokenizer = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
        tokenizer.save_pretrained(base)
        export_master(base, None, tmp_path / "m.gguf", "m", kind="f32")
        files[dtype] = weights(tmp_path / "m.gguf")
    for name, weight in files[torch.float32].items():
        np.testing.assert_allclose(files[torch.bfloat16][name], weight, rtol=1 / 128, atol=1e-6)
        np.testing.assert_allclose(files[torch.float16][name], weight, rtol=1 / 1024, atol=1e-6)


def test_what_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    base, adapter = make(tmp_path, "llama", trainable_token_indices={"embed_tokens": [1, 2]})
    with pytest.raises(ExportError, match="trainable_token_indices"):
        export_master(base, adapter, tmp_path / "m.gguf", "m")
    assert not (tmp_path / "m.gguf").exists()
