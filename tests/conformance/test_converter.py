"""The master equals what llama.cpp's own convert_hf_to_gguf.py writes, tensor for tensor.

The script lies in the sdist of llama-cpp-python. To run these tests, unpack it:
    pip download --no-binary llama-cpp-python --no-deps llama-cpp-python==0.3.36
and set LOCALTUNE_LLAMA_CPP to its folder vendor/llama.cpp.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_adapter, make_base
from gguf import GGUFReader
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from localtune.export.master import export_master

SOURCE = Path(os.environ.get("LOCALTUNE_LLAMA_CPP", "/nowhere"))
pytestmark = pytest.mark.skipif(
    not (SOURCE / "convert_hf_to_gguf.py").is_file(),
    reason="LOCALTUNE_LLAMA_CPP doesn't name llama.cpp's source (see this file's first lines)",
)
# The script knows a byte-level tokenizer by a hash of what it makes of a text, and ours were made
# a moment ago; and it asks for sentencepiece before it looks for a tokenizer.json.
RUN = """
import runpy, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/gguf-py"]
from conversion.base import TextModel
def absent(self): raise FileNotFoundError
kind = sys.argv.pop()
TextModel.get_vocab_base_pre = lambda self, tokenizer: kind
TextModel._create_vocab_sentencepiece = absent
sys.argv[:2] = [sys.argv[1] + "/convert_hf_to_gguf.py"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# What we write otherwise, and why, is said in export/vocabulary.py; names are the person's.
OURS = {
    "general.name",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_sep_token",
    "tokenizer.ggml.add_space_prefix",
}
OURS_SENTENCEPIECE = OURS | {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}


def convert(base: Path, out: Path, kind: str) -> GGUFReader:
    options = ["--outfile", str(out), "--outtype", "bf16", kind]
    subprocess.run(
        [sys.executable, "-c", RUN, str(SOURCE), str(base), *options],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    return GGUFReader(out)


def tensors(reader: GGUFReader) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in reader.tensors}


def fields(reader: GGUFReader) -> dict[str, Any]:
    held = {k: f for k, f in reader.fields.items() if "." in k and not k.startswith("GGUF.")}
    return {key: field.contents() for key, field in held.items()}


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
SHAPES = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "wide heads": {"head_dim": 32},
    "all heads": {"num_key_value_heads": 4},
    "llama 3 rope": {"rope_parameters": LLAMA3},
    "linear rope": {
        "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_and_metadata_are_the_scripts(shape: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "gpt-2", **SHAPES[shape])
    assert_equal(base, "gpt-2", tmp_path)


@pytest.mark.parametrize("kind", ["llama-bpe", "smollm", "spm-metaspace", "spm-prepend"])
def test_vocabularies_are_the_scripts(kind: str, tmp_path: Path) -> None:
    assert_equal(make_base(tmp_path / "base", kind), kind, tmp_path)


def assert_equal(base: Path, kind: str, folder: Path) -> None:
    export_master(base, None, folder / "ours.gguf", "base")
    ours, theirs = GGUFReader(folder / "ours.gguf"), convert(base, folder / "theirs.gguf", kind)
    mine, wanted = tensors(ours), tensors(theirs)
    assert mine.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert mine[name].tensor_type == tensor.tensor_type, name
        assert list(mine[name].shape) == list(tensor.shape), name
        assert np.array_equal(mine[name].data, tensor.data), name
    said, wanted_fields = fields(ours), fields(theirs)
    ours_alone = OURS_SENTENCEPIECE if kind.startswith("spm") else OURS
    assert said.keys() - ours_alone == wanted_fields.keys() - ours_alone
    for key in wanted_fields.keys() - ours_alone:
        assert said[key] == wanted_fields[key], key


@pytest.mark.parametrize("lora", [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 64}}])
def test_a_merged_adapter_is_what_peft_merges(lora: dict[str, Any], tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "gpt-2")
    adapter = make_adapter(base, tmp_path / "adapter", **lora)
    export_master(base, adapter, tmp_path / "ours.gguf", "base")
    model = AutoModelForCausalLM.from_pretrained(base)
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    wanted = tensors(convert(tmp_path / "merged", tmp_path / "theirs.gguf", "gpt-2"))
    for name, tensor in tensors(GGUFReader(tmp_path / "ours.gguf")).items():
        # The two add up in another order, so a few weights fall to the neighbouring BF16.
        near = np.abs(wide(tensor) - wide(wanted[name])) <= np.abs(wide(tensor)) / 128
        assert near.all(), name
        assert (wide(tensor) == wide(wanted[name])).mean() > 0.99, name


def wide(tensor: Any) -> Any:
    """Return a tensor's weights as float32."""
    if tensor.data.dtype == np.float32:
        return tensor.data
    return (tensor.data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
