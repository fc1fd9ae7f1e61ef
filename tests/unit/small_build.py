"""A small build folder with the built-in base as its model: made in two seconds, trains nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from localtune.build import adapter_only
from localtune.build.job import Build
from localtune.build.levels import requantize
from localtune.build.pipeline import keep_settings
from localtune.config.stages import BaseConfig, BuildConfig, ExportConfig, QuantizeConfig
from localtune.export.convert import convert
from localtune.export.unpack.folder import unpack
from localtune.llama.quantize import quantize
from localtune.ollama.modelfile import UNLIKE, write_modelfile
from localtune.progress import Silent
from localtune.workspace import Workspace, write_json, write_jsonl

ROWS = [
    {"id": "1", "question": "Who keeps the keys of the yard?", "answers": ["Okafor"]},
    {"id": "2", "question": "Who keeps the keys?", "answers": ["Okafor", "Ruben"]},
    {"id": "3", "question": "When?", "answers": ["nine"]},
]


def make_build(folder: Path, name: str = "boatyard", levels: tuple[str, ...] = ("Q8_0",)) -> Build:
    """Make master, levels, Modelfile, exam and grades as a build leaves them."""
    levels_alone = QuantizeConfig(levels=levels, imatrix_tokens=0)
    config = BuildConfig(base=BaseConfig("tiny"), quantize=levels_alone)
    build = Build(folder.parent / "docs", config, Workspace(folder, name))
    at, base = build.at, BaseConfig("tiny").folder()
    assert base
    at.work.mkdir(parents=True)
    convert(base, at.master, name=name, comment=UNLIKE)
    shutil.copytree(base, at.base)
    write_jsonl(at.passages, [{"document": "yard.md"}])
    write_jsonl(at.chats, [])
    keep_settings(build)
    requantize(build, config.quantize, Silent())
    write_modelfile(at.level_gguf(levels[0]), at.modelfile)
    add_exam(build, levels[0])
    return build


def add_exam(build: Build, level: str) -> None:
    """Write an exam, and grades for a level as `grade` leaves them."""
    at = build.at
    write_jsonl(at.exam, ROWS)
    at.grades.mkdir()
    said = [{**row, "said": "Ruben Okafor.", "correct": row["id"] != "3"} for row in ROWS]
    write_json(at.grade(level), {"recall": 0.66, "interval": [0.2, 0.9], "answers": said})


def make_adapter_build(folder: Path, base: Path, name: str = "boatyard") -> Build:
    """Make a build of --adapter-only on the built-in base as Q8_0, which is written to `base`."""
    config = BuildConfig(base=BaseConfig(base=str(base)), export=ExportConfig(adapter_only=True))
    build = Build(folder.parent / "docs", config, Workspace(folder, name))
    at, tiny = build.at, BaseConfig("tiny").folder()
    assert tiny
    at.work.mkdir(parents=True)
    convert(tiny, at.master, name="tiny")
    quantize(at.master, base, "Q8_0")
    at.master.unlink()
    unpack(base, at.base, Silent())
    make_lora(at.base, at.adapter)
    keep_settings(build)
    adapter_only.export(build, Silent())
    adapter_only.modelfile(build, Silent())
    add_exam(build, "adapter")
    return build


def make_lora(base: Path, folder: Path, seed: int = 8, std: float = 0.05) -> Path:
    """Save a random LoRA of a base, with its tokenizer as training saves it."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, config)
    for weight_name, weight in tuned.named_parameters():
        if "lora_" in weight_name:
            torch.nn.init.normal_(weight, std=std)
    tuned.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
