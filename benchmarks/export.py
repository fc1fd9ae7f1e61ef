"""Base and adapter to GGUF: the usual way beside ours, on a random Qwen2 of 0.5B and 1.5B weights.

    python benchmarks/export.py [--size 0.5B|1.5B|tiny] [--ours-only] [--keep DIR]

The usual way: peft's merge_and_unload, save_pretrained, llama.cpp's convert_hf_to_gguf.py. Ours:
`localtune convert --adapter`. Both run as processes of their own, one after the other, on the same
files; their peak memory is the operating system's (ru_maxrss), their bytes are those of the files.
Then both masters are compared and quantized to Q4_K_M.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2},
    "0.5B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24},
    "1.5B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28},
}
HEADS = {"tiny": (4, 2), "0.5B": (14, 2), "1.5B": (12, 2)}
MAKE = """
import sys, torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM
from peft import LoraConfig, get_peft_model
base, adapter, vocabularies, shape = sys.argv[1:5]
torch.manual_seed(1)
config = Qwen2Config(**eval(shape))
torch.set_default_dtype(torch.bfloat16)
model = Qwen2ForCausalLM(config)
model.save_pretrained(base)
AutoTokenizer.from_pretrained(vocabularies, gguf_file="ggml-vocab-qwen2.gguf").save_pretrained(base)
lora = LoraConfig(r=64, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
tuned = get_peft_model(model, lora)
for name, weight in tuned.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(weight, std=0.01)
tuned.save_pretrained(adapter)
"""
MERGE = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, adapter, out = sys.argv[1:4]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
AutoTokenizer.from_pretrained(base).save_pretrained(out)
"""


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds and peak memory in MB."""

    seconds: float
    memory: float


def run(*command: str, path: str = "") -> Run:
    """Run a command to its end and measure it; stop the benchmark where it fails."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:3]} failed with {process.returncode}")
    return Run(time.perf_counter() - began, usage.ru_maxrss / 1024)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def size(path: Path) -> float:
    """Return the megabytes of a file or of a folder's files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def make(folder: Path, which: str, source: Path) -> None:
    """Write a random base with Qwen2's tokenizer, and a random adapter of rank 64."""
    heads, keys = HEADS[which]
    shape = {
        **SIZES[which],
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "eos_token_id": 151645,
    }
    places = [str(folder / name) for name in ("base", "adapter")]
    run(sys.executable, "-c", MAKE, *places, str(source / "models"), repr(shape))


def usual(folder: Path, source: Path) -> list[Run]:
    """Merge with PEFT, convert with llama.cpp's script."""
    base, adapter, merged = (str(folder / name) for name in ("base", "adapter", "merged"))
    script = [sys.executable, str(source / "convert_hf_to_gguf.py"), merged]
    options = ["--outfile", str(folder / "usual.gguf"), "--outtype", "bf16"]
    first = run(sys.executable, "-c", MERGE, base, adapter, merged)
    return [first, run(*script, *options, path=str(source / "gguf-py"))]


def ours(folder: Path) -> Run:
    """Merge and convert with localtune."""
    base, adapter = str(folder / "base"), str(folder / "adapter")
    options = ["--adapter", adapter, "--to", str(folder / "ours.gguf"), "--converter", "own"]
    return run(sys.executable, "-m", "localtune.cli.main", "convert", base, *options)


def differing(folder: Path) -> str:
    """Say in how many weights the two masters differ."""
    import numpy as np
    from gguf import GGUFReader

    mine, theirs = (GGUFReader(folder / f"{name}.gguf").tensors for name in ("ours", "usual"))
    wanted, differ, count = {tensor.name: tensor.data for tensor in theirs}, 0, 0
    for tensor in mine:
        pair = (np.asarray(a).view(np.uint16) for a in (tensor.data, wanted[tensor.name]))
        differ += int(np.count_nonzero(np.subtract(*pair)))
        count += int(tensor.n_elements)
    return f"{differ:,} of {count:,} weights differ, to the neighbouring BF16"


def report(folder: Path, which: str, source: Path, alone: bool) -> None:
    """Run both ways and print the table."""
    _say(
        f"Qwen2 {which}, adapter of rank 64\n{'':28}{'seconds':>9}{'peak MB':>9}{'MB written':>12}"
    )
    mine = ours(folder)
    line = "{:28}{:9.1f}{:9.0f}{:12.0f}"
    if not alone:
        merge, convert = usual(folder, source)
        _say(
            line.format("peft merge and save", merge.seconds, merge.memory, size(folder / "merged"))
        )
        written = size(folder / "usual.gguf")
        _say(line.format("convert_hf_to_gguf.py", convert.seconds, convert.memory, written))
    _say(line.format("localtune convert", mine.seconds, mine.memory, size(folder / "ours.gguf")))
    if alone:
        return
    seconds = (merge.seconds + convert.seconds) / mine.seconds
    memory = max(merge.memory, convert.memory) / mine.memory
    _say(f"{seconds:.1f} times as fast, 1/{memory:.1f} of the memory; {differing(folder)}")


def main() -> None:
    """Parse, make, run."""
    from localtune.export.llama_cpp.script import fetch_script

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="0.5B")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--keep", type=Path, help="use and keep this folder")
    given = parser.parse_args()
    source = fetch_script(also=("models/",))
    folder = given.keep or Path(tempfile.mkdtemp(prefix="export-"))
    try:
        if not (folder / "adapter").is_dir():
            make(folder, given.size, source)
        report(folder, given.size, source, given.ours_only)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
