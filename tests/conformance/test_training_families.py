"""Every family trains: the loss is transformers' own, and no lesson in a row sees another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from random_models import VARIANTS, make_model
from transformers import AutoModelForCausalLM

from localtune.training.loss import answer_loss
from localtune.training.tokenise import IGNORED

# One variant of each kind of model.
TRIED = {kind: name for name, (kind, _) in reversed(VARIANTS.items())}


@pytest.fixture(scope="module", params=TRIED)
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("base")
    make_model(folder, TRIED[request.param], 460, torch.float32)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    lora = LoraConfig(r=4, target_modules=["c_attn"] if request.param == "gpt2" else ["o_proj"])
    tuned = get_peft_model(model, lora)
    return tuned.eval()


def batch(first: int = 7) -> dict[str, torch.Tensor]:
    """Two lessons in one row, of which the second has labels; `first` begins the first."""
    ids = torch.tensor([[first, *range(8, 30), *range(40, 60)]])
    labels = torch.full_like(ids, IGNORED)
    labels[0, 30:] = ids[0, 30:]
    places = torch.tensor([[*range(23), *range(20)]])
    return {"input_ids": ids, "labels": labels, "position_ids": places}


def test_the_loss_is_the_models_own(tuned: Any) -> None:
    row = batch()
    wanted = tuned.get_base_model()(**row, use_cache=False).loss
    torch.testing.assert_close(answer_loss(tuned, row), wanted)


def test_no_lesson_sees_another(tuned: Any) -> None:
    if tuned.config.model_type == "qwen3_5_text":
        pytest.skip("its linear attention carries a state from lesson to lesson of a row")
    torch.testing.assert_close(answer_loss(tuned, batch(7)), answer_loss(tuned, batch(300)))
