"""The check of a build with --adapter-only: a right adapter passes, a spoilt one is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_build import make_adapter_build

from localtune.build import adapter_only
from localtune.errors import EvaluationError
from localtune.progress import Silent
from localtune.workspace import read_json

pytestmark = pytest.mark.slow


def test_a_right_adapter_passes_and_a_spoilt_one_is_set_aside(tmp_path: Path) -> None:
    build = make_adapter_build(tmp_path / "build", tmp_path / "tiny-Q8_0.gguf")
    at, shipped = build.at, build.at.level_gguf("adapter")
    adapter_only.verify(build, Silent())
    found = read_json(at.faithful)
    assert found["kl"] < found["quantized_kl"] / 100 and found["top1"] == 1
    assert not [*tmp_path.rglob("*F32*")], "the base in F32 was for the check alone"
    settings = at.adapter / "adapter_config.json"
    right = settings.read_text()
    settings.write_text(json.dumps({**json.loads(right), "lora_alpha": 16}))
    adapter_only.export(build, Silent())
    settings.write_text(right)
    with pytest.raises(EvaluationError, match="predicts other words") as error:
        adapter_only.verify(build, Silent())
    refused = shipped.with_name("boatyard-adapter.refused.gguf")
    assert str(refused) in error.value.hint and refused.exists() and not shipped.exists()
    assert not [*tmp_path.rglob("*F32*")]
