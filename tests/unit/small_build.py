"""A small build folder with the built-in base as its model: made in two seconds, trains nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

from localtune.config import BaseConfig, BuildConfig, QuantizeConfig
from localtune.export.convert import convert
from localtune.pipeline import keep_settings, requantize
from localtune.progress import Silent
from localtune.runtimes.modelfile import write_modelfile
from localtune.steps import Build
from localtune.workspace import Workspace, write_json, write_jsonl

ROWS = [
    {"id": "1", "question": "Who keeps the keys of the yard?", "answers": ["Okafor"]},
    {"id": "2", "question": "Who keeps the keys?", "answers": ["Okafor", "Ruben"]},
    {"id": "3", "question": "When?", "answers": ["nine"]},
]


def make_build(folder: Path, name: str = "boatyard", levels: tuple[str, ...] = ("Q8_0",)) -> Build:
    """Make master, levels, Modelfile, exam and grades as a build leaves them."""
    config = BuildConfig(quantize=QuantizeConfig(levels=levels, imatrix_tokens=0))
    build = Build(folder.parent / "docs", config, Workspace(folder, name))
    at, base = build.at, BaseConfig().folder()
    assert base
    at.work.mkdir(parents=True)
    convert(base, at.master, name=name)
    shutil.copytree(base, at.base)
    write_jsonl(at.passages, [{"document": "yard.md"}])
    write_jsonl(at.chats, [])
    keep_settings(build)
    requantize(build, config.quantize, Silent())
    write_modelfile(at.level_gguf(levels[0]), at.modelfile)
    write_jsonl(at.exam, ROWS)
    at.grades.mkdir()
    said = [{**row, "said": "Ruben Okafor.", "correct": row["id"] != "3"} for row in ROWS]
    write_json(at.grade(levels[0]), {"recall": 0.66, "interval": [0.2, 0.9], "answers": said})
    return build
