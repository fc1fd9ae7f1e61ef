"""What a GGUF adapter can't hold, or what is broken, is refused; nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from loras import add_tokenizer, edit_weights, make_adapter
from random_models import make_model
from safetensors.torch import save_file

from localtune.errors import ExportError
from localtune.export.write.gguf_adapter import export_adapter

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT's, on what is asked for on purpose


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untied Llama, for what has nothing to do with families."""
    return add_tokenizer(make_model(tmp_path_factory.mktemp("llama") / "base", "llama", 512))


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_tokenizer(make_model(tmp_path_factory.mktemp("tied") / "base", "qwen2", 512))


def assert_refused(base: Path, adapter: Path, out: Path, why: str) -> ExportError:
    before = set(out.parent.iterdir())
    with pytest.raises(ExportError, match=why) as raised:
        export_adapter(base, adapter, out, "mine")
    assert raised.value.hint
    assert set(out.parent.iterdir()) == before
    return raised.value


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "the whole of lm_head"),
        ({"bias": "all"}, "the whole of .*bias"),
        ({"lora_bias": True}, "adds to the bias of"),
    ],
)
def test_what_an_adapter_cant_hold(
    config: dict[str, Any], why: str, llama: Path, tmp_path: Path
) -> None:
    base = llama
    if "bias" in config or "lora_bias" in config:
        base = add_tokenizer(make_model(tmp_path / "b", "llama tied, biases, all heads", 512))
    adapter = make_adapter(base, tmp_path / "adapter", **config)
    spoilt = ("lm_head.weight", ".bias")
    edit_weights(adapter, lambda n, w: w + 1 if n.endswith(spoilt) else w)
    error = assert_refused(base, adapter, tmp_path / "x.gguf", why)
    assert "merged" in error.hint


@pytest.mark.parametrize("module", ["embed_tokens", "lm_head"])
def test_a_tied_head_is_refused(module: str, tied: Path, tmp_path: Path) -> None:
    """llama.cpp would end with an assertion, or not find the head at all."""
    adapter = make_adapter(tied, tmp_path / "adapter", target_modules=[module, "q_proj"])
    assert_refused(tied, adapter, tmp_path / "x.gguf", f"changes (model.)?{module}, which")


@pytest.mark.parametrize(("variant", "why"), [("qwen3", "was made for"), ("gpt2", "doesn't have")])
def test_an_adapter_of_another_base_is_refused(
    variant: str, why: str, llama: Path, tmp_path: Path
) -> None:
    """By what it changes and by shapes: where these are alike nothing tells bases apart."""
    adapter = make_adapter(llama, tmp_path / "adapter")
    other = add_tokenizer(make_model(tmp_path / "other", variant, 512))
    assert_refused(other, adapter, tmp_path / "x.gguf", why)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_number_is_found(value: float, llama: Path, tmp_path: Path) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter")

    def spoil(name: str, weight: torch.Tensor) -> torch.Tensor:
        return weight.index_fill(0, torch.tensor([1]), value) if "1.mlp.up" in name else weight

    edit_weights(adapter, spoil)
    assert_refused(llama, adapter, tmp_path / "x.gguf", "not a number")


def test_broken_files_are_refused(llama: Path, tmp_path: Path) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert_refused(llama, adapter, tmp_path / "x.gguf", "cut short")
    file.write_bytes(whole[:5])
    assert_refused(llama, adapter, tmp_path / "x.gguf", "can't be read|not a safetensors")
    file.unlink()
    assert_refused(llama, adapter, tmp_path / "x.gguf", "holds no safetensors")
    save_file({}, file)
    assert_refused(llama, adapter, tmp_path / "x.gguf", "holds no safetensors")


def test_too_large_for_f16(llama: Path, tmp_path: Path) -> None:
    adapter = make_adapter(llama, tmp_path / "adapter")
    edit_weights(adapter, lambda name, weight: weight * 1e7)
    with pytest.raises(ExportError, match="F16 can't express"):
        export_adapter(llama, adapter, tmp_path / "x.gguf", "mine", kind="f16")
    export_adapter(llama, adapter, tmp_path / "x.gguf", "mine", kind="bf16")


def test_what_llama_cpp_would_leave_out(tmp_path: Path) -> None:
    base = add_tokenizer(make_model(tmp_path / "base", "gemma4", 460))
    adapter = make_adapter(base, tmp_path / "adapter")
    assert_refused(base, adapter, tmp_path / "x.gguf", "to which llama.cpp adds nothing")
