"""Code that comes with a model is never run, nor does anything ask whether to run it."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import localtune
from localtune.config.stages import BaseConfig

PACKAGE = Path(localtune.__file__).parent
LOADS = {"AutoConfig", "AutoTokenizer", "AutoModelForCausalLM"}
CODE = """import pathlib
from transformers import LlamaConfig, PreTrainedTokenizerFast
pathlib.Path({!r}).touch()
class Strange(LlamaConfig):
    model_type = "strange"
class Splitter(PreTrainedTokenizerFast):
    pass
"""
LOAD = """import pathlib
from localtune.errors import BaseModelError
from localtune.training.train import load
try:
    load(pathlib.Path({!r}))
except BaseModelError as error:
    print(error.message)
"""


@pytest.mark.slow
@pytest.mark.parametrize("which", ["config.json", "tokenizer_config.json"])
def test_a_base_with_code_of_its_own_is_refused_without_a_question(
    which: str, tmp_path: Path
) -> None:
    base, marker = tmp_path / "base", tmp_path / "was-run"
    shutil.copytree(str(BaseConfig("tiny").folder()), base)
    (base / "code.py").write_text(CODE.format(str(marker)))
    config = json.loads((base / which).read_text())
    names = {"AutoConfig": "code.Strange", "AutoTokenizer": ["code.Splitter", "code.Splitter"]}
    config |= {"model_type": "strange"} if which == "config.json" else {"tokenizer_class": "Odd"}
    (base / which).write_text(json.dumps({**config, "auto_map": names}))
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(str(base))],
        input="y\n" * 9,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "The base needs code of its own, which localtune never runs.\n", done
    assert not marker.exists() and "[y/N]" not in done.stderr


def test_no_call_leaves_it_to_transformers_whether_to_ask() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "from_pretrained"
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in LOADS
            ):
                spread = {ast.unparse(k.value) for k in node.keywords if k.arg is None}
                assert spread & {"LOCAL", "UNTRUSTED"}, f"{file}:{node.lineno}"
