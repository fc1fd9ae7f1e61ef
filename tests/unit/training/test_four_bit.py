"""Training upon a base in 4 bits, and what its adapter is merged into (bitsandbytes on the CPU)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import localtune
from localtune.build.job import Build
from localtune.build.pipeline import check_before
from localtune.config.stages import BaseConfig, BuildConfig, TrainConfig
from localtune.errors import TrainingError
from localtune.evaluation.faithful import load_merged
from localtune.progress import Silent
from localtune.training.development import Development
from localtune.training.four_bit import check_extra
from localtune.training.machine import in_bf16
from localtune.training.train import load, train
from localtune.workspace import Workspace, read_jsonl, write_jsonl

CONFIG = TrainConfig(precision="nf4", steps=25, rank=4, batch_tokens=128, max_length=64)
BASE = BaseConfig("tiny").folder()
needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="the extra 4bit isn't installed"
)


def test_without_the_extra_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    check_extra(TrainConfig())
    build = Build(tmp_path, BuildConfig(train=CONFIG), Workspace(tmp_path / "out", "x"))
    with pytest.raises(TrainingError, match="bitsandbytes isn't installed") as refused:
        check_before(build)
    assert 'pip install "localtune[4bit]"' in refused.value.hint
    assert not (tmp_path / "out").exists()


@needs_extra
@pytest.mark.slow
@pytest.mark.parametrize("module", ["training.train", "evaluation.faithful"])
def test_bitsandbytes_fetches_nothing(module: str, tmp_path: Path) -> None:
    """It imports `kernels` to load code from the Hub; this one would say so."""
    (tmp_path / "kernels.py").write_text("def get_kernel(*_, **__): print('fetched')\n")
    python = f"import localtune.{module}, peft.tuners.lora.bnb, sys; print(sys.modules['kernels'])"
    path = f"{Path(localtune.__file__).parent.parent}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", python],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("None\n", "")


class Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def trained(folder: Path, right: Any, config: TrainConfig = CONFIG) -> tuple[Path, Told, Any]:
    """Train the built-in base; return its 4-bit weights, what was said and the last metrics row."""
    assert BASE
    told, name = Told(), folder / "lessons.jsonl"
    roles = ("user", "assistant")
    texts = [(f"When does gate {n} open?", f"Gate {n} opens at {n} past nine.") for n in range(40)]
    chats = [[{"role": r, "content": c} for r, c in zip(roles, t, strict=True)] for t in texts]
    write_jsonl(name, [{"id": str(n), "messages": chat} for n, chat in enumerate(chats)])
    asked = None
    if right:
        rows = [{"question": question, "answers": ["nine"]} for question, _ in texts[:5]]
        write_jsonl(folder / "development.jsonl", rows)
        asked = Development(folder / "development.jsonl", right)
    files = (folder / "adapter", folder / "metrics.jsonl", folder / "checkpoints")
    out = folder / "base-nf4"
    train(BASE, name, *files, config, told, development=asked, trained_upon=out)
    return out, told, list(read_jsonl(folder / "metrics.jsonl"))[-1]


@needs_extra
@pytest.mark.slow
def test_the_adapter_goes_into_the_weights_it_was_trained_upon(tmp_path: Path) -> None:
    from localtune.training.four_bit import how_to_load

    out, told, row = trained(tmp_path, None)
    assert BASE
    assert any("was not measured" in said for said in told.said)
    assert row == {"step": 25, "merged_into": "nf4", "nf4": None, "base": None}
    assert (out / "config.json").read_bytes() == (BASE / "config.json").read_bytes()
    own, written = load_file(BASE / "model.safetensors"), load_file(out / "model.safetensors")
    assert own.keys() == written.keys()
    changed = {name for name in own if not torch.equal(own[name], written[name])}
    layers = {name for name in own if name.endswith("_proj.weight")}
    assert changed == layers and len(layers) == 42
    _, quantized = load(BASE, torch.float32, **how_to_load(TrainConfig(precision="nf4")))
    ids = torch.arange(40)[None]

    def apart(folder: Path) -> float:
        """Mean KL in nats of a folder's model from the one in 4 bits."""
        with torch.no_grad():
            wanted = quantized(ids).logits.log_softmax(-1)
            found = load(folder)[1](ids).logits.log_softmax(-1)
        return float((wanted.exp() * (wanted - found)).sum(-1).mean())

    assert apart(out) < 1e-3 < apart(BASE) / 3
    _, merged = load_merged(out, tmp_path / "adapter")
    assert torch.isfinite(merged(ids).logits).all()


@needs_extra
@pytest.mark.slow
@pytest.mark.parametrize("better", [True, False])
def test_the_base_itself_is_taken_only_where_it_answers_better(
    better: bool, tmp_path: Path
) -> None:
    asked = [0]

    def right(*_: Any) -> bool:
        """In training twice, then upon the 4-bit weights, then upon the base: five questions."""
        asked[0] += 1
        return asked[0] == 18 if better else asked[0] in (13, 18)

    out, told, row = trained(tmp_path, right)
    assert asked[0] == 20
    assert out.exists() != better
    assert row == {
        "step": 25,
        "merged_into": "base" if better else "nf4",
        "nf4": int(not better),
        "base": 1,
    }
    said = f"{int(not better)} development questions are right with the 4-bit weights, 1 with"
    assert any(said in text for text in told.said), json.dumps(told.said)


@needs_extra
@pytest.mark.slow
def test_another_precision_leaves_no_weights_behind(tmp_path: Path) -> None:
    (tmp_path / "base-nf4").mkdir()
    out, _, row = trained(tmp_path, None, TrainConfig(steps=5, rank=4, max_length=64))
    assert not out.exists() and "loss" in row


@needs_extra
@pytest.mark.slow
def test_a_rehearsal_says_what_is_multiplied_in_what(tmp_path: Path) -> None:
    from localtune.estimate.shape import write_base
    from localtune.training.rehearse import pack_lessons, recipe_for, rehearse

    assert BASE
    lessons = tmp_path / "lessons.jsonl"
    write_jsonl(lessons, [{"text": f"Gate {n} opens at {n} past nine."} for n in range(40)])
    packed = pack_lessons(BASE, lessons, CONFIG, None)
    base = write_base(json.loads((BASE / "config.json").read_text()), 1, tmp_path / "base", BASE)
    found = rehearse(base, packed, recipe_for(packed, CONFIG, 256, 2), CONFIG, 3)
    products = "bfloat16" if in_bf16(CONFIG) else "float32"
    assert found.precision == f"4-bit weights, {products} products"
    assert 0.5 < found.weight_bytes < 0.52
