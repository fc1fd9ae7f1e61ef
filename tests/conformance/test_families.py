"""Every declared family equals what llama.cpp's own converter writes and transformers computes.

Tensors byte for byte, every metadata key but the name; then logits in llama.cpp against
transformers' on the same weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CHATML, KINDS
from gguf import GGUFReader
from gguf_fields import fields
from random_models import VARIANTS, make_model
from script_reference import Script
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.evaluation.faithful import agreement, divergence, torch_logits
from localtune.evaluation.layers import first_difference, torch_layers
from localtune.export.families import FAMILIES
from localtune.export.write.master import export_master
from localtune.llama.llama import Model


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small byte-level tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    trained = KINDS["gpt-2"]()
    trained.add_special_tokens(["<|endoftext|>"])  # which transformers gives to every Qwen
    made = Fast(tokenizer_object=trained, eos_token="<|im_end|>")
    made.chat_template = CHATML
    made.save_pretrained(folder)
    return folder


def with_tokenizer(base: Path, tokenizer: Path) -> Path:
    for file in tokenizer.iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    return base


def difference(said: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say what differs first, "" for nothing. (pytest would compare long lists for minutes.)"""
    for key in sorted(said.keys() | wanted.keys()):
        got, value = said.get(key), wanted.get(key)
        if isinstance(got, list) and isinstance(value, list) and len(got) == len(value):
            places = [
                i for i, pair in enumerate(zip(got, value, strict=True)) if pair[0] != pair[1]
            ]
            if places:
                at = places[0]
                return f"{key}: {len(places)} differ, [{at}] is {got[at]!r}, not {value[at]!r}"
        elif got != value:
            return f"{key} is {str(got)[:80]!r}, not {str(value)[:80]!r}"
    return ""


def assert_equal(ours: Path, theirs: Path) -> None:
    assert not difference(fields(ours), fields(theirs))
    mine, wanted = ({t.name: t for t in GGUFReader(file).tensors} for file in (ours, theirs))
    assert mine.keys() == wanted.keys()
    for tensor in wanted.values():
        got = mine[tensor.name]
        assert got.tensor_type == tensor.tensor_type, tensor.name
        assert list(got.shape) == list(tensor.shape), tensor.name
        assert np.array_equal(got.data.view(np.uint8), tensor.data.view(np.uint8)), tensor.name


def test_every_declared_family_is_tried() -> None:
    made = {kind for kind, _ in VARIANTS.values()}
    assert len(made) >= len(FAMILIES) - 3  # those that wrap a text model with one for images


# 512 rows for 461 tokens: vocabularies are padded. Gemma 3 and 4 drop rows without one.
@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_metadata_and_logits(
    variant: str, script: Script, tokenizer: Path, tmp_path: Path
) -> None:
    size = 461 if variant.startswith(("gemma3", "gemma4")) else 512
    base = with_tokenizer(make_model(tmp_path / "base", variant, size), tokenizer)
    export_master(base, None, tmp_path / "ours.gguf", "base")
    options = ["--no-mtp"] if variant == "qwen3.5" else []
    theirs = script.convert(base, tmp_path / "theirs.gguf", pre="gpt-2", options=options)
    assert_equal(tmp_path / "ours.gguf", theirs)
    assert_same_logits(base, tmp_path / "ours.gguf", 2e-3)
    export_master(base, None, tmp_path / "f32.gguf", "base", kind="f32")
    assert_same_logits(base, tmp_path / "f32.gguf", 1e-4)


def assert_same_logits(base: Path, master: Path, most: float) -> None:
    """Compare along 200 tokens; `most` is the largest mean KL in nats.

    llama.cpp rounds what it multiplies BF16 weights with; with F32 only its F16 cache is left.
    """
    model = Model(master)
    ids = [5 + (i * 37) % 440 for i in range(200)]  # beyond the windows and first contexts
    torch_model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    wanted, got = torch_logits(torch_model, ids), model.logits(ids)
    got = got[:, : wanted.shape[1]]
    assert divergence(wanted, got).mean() < most
    assert agreement(wanted, got).mean() > 0.98
    layers = first_difference(torch_layers(torch_model, ids), model.layers(ids))
    assert layers.startswith("the outputs of all")
