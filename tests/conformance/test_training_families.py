"""Every family trains: the loss is transformers' own, and no lesson in a row sees another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from random_models import VARIANTS, make_model
from transformers import AutoModelForCausalLM

from localtune.config.stages import TrainConfig
from localtune.training.isolation import BY_LESSON, attend_by_lesson, isolates
from localtune.training.lora import Amount, recipe
from localtune.training.loss import answer_loss
from localtune.training.tokenise import IGNORED, GroupedLessons, PackedRows, Tokens
from localtune.training.train import _arguments, _rows
from localtune.training.trainer import AnswerTrainer

# One variant of each kind of model.
TRIED = {kind: name for name, (kind, _) in reversed(VARIANTS.items())}

MIXES = {"qwen3_5_text"}  # its linear attention carries a state from lesson to lesson of a row


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


def losses(tuned: Any, rows: PackedRows | GroupedLessons) -> torch.Tensor:
    """Return the mean loss over all the items of a dataset."""
    counted = sum(label != IGNORED for row in rows.rows for x in row for label in x.labels[1:])
    parts = []
    for i in range(len(rows)):
        batch = rows.collate([rows[i]])
        parts.append(answer_loss(tuned, batch, counted))
    return torch.stack(parts).sum()


def lessons() -> list[Tokens]:
    """Seven lessons of mixed lengths, half of each a question."""
    sizes = [20, 9, 31, 12, 25, 4, 18]
    ids = [[7 + (n * 41 + i * 13) % 400 for i in range(size)] for n, size in enumerate(sizes)]
    return [Tokens(x, [IGNORED] * (len(x) // 2) + x[len(x) // 2 :]) for x in ids]


@torch.no_grad()
def test_a_packed_lesson_has_the_loss_it_has_alone(tuned: Any) -> None:
    found = lessons()
    alone = losses(tuned, GroupedLessons(found, 1, 0))  # a lesson a step
    assert [len(row) for row in GroupedLessons(found, 1, 0).rows] == [1] * 7
    torch.testing.assert_close(losses(tuned, GroupedLessons(found, 64, 0)), alone)
    packed = PackedRows(found, 64, 0)
    assert len(packed) == 2
    if not isolates(tuned.get_base_model()):
        assert tuned.config.model_type in MIXES
        assert (losses(tuned, packed) - alone).abs() > 1e-5
        return
    assert tuned.config.model_type not in MIXES
    torch.testing.assert_close(losses(tuned, packed), alone)
    before = tuned.config._attn_implementation
    attend_by_lesson(tuned.get_base_model(), 32)
    assert (tuned.config._attn_implementation == BY_LESSON) == (before == "sdpa")
    assert isolates(tuned.get_base_model())
    torch.testing.assert_close(losses(tuned, packed), alone)
    tuned.get_base_model().set_attn_implementation(before)


def test_lessons_that_would_mix_train_a_row_each(tuned: Any, tmp_path: Path) -> None:
    config, before = TrainConfig(max_length=32, batch_tokens=64), tuned.config._attn_implementation
    data = _rows(tuned.get_base_model(), lessons(), config, 0)
    assert isinstance(data, GroupedLessons) == (tuned.config.model_type in MIXES)
    if isinstance(data, GroupedLessons):
        assert all(len(step) * max(len(x.ids) for x in step) <= 64 for step in data.rows)
        arguments = _arguments(recipe(config, Amount(119, 4), 256, 2), data, tmp_path, config)
        arguments.max_steps = 3
        trainer = AnswerTrainer(tuned, arguments, data.collate, train_dataset=data)
        assert 0 < trainer.train().training_loss < 20
        assert sum(map(len, data.rows)) == len(lessons())
    tuned.eval().get_base_model().set_attn_implementation(before)


def test_a_window_shorter_than_a_lesson_is_left_to_transformers(tuned: Any) -> None:
    before = tuned.config._attn_implementation
    window = getattr(tuned.config.get_text_config(), "sliding_window", None)
    if not window:
        pytest.skip("it has no window")
    attend_by_lesson(tuned.get_base_model(), window + 1)
    assert tuned.config._attn_implementation == before
