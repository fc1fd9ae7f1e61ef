"""`--hours`: what is cut, in which order, and that a resumed build trains what it began."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localtune.build.hours import fit, seconds_left, with_cuts, writing_clock
from localtune.build.job import Build
from localtune.build.pipeline import stages
from localtune.config.stages import BuildConfig, TrainConfig
from localtune.training.lora import Recipe
from localtune.workspace import Workspace, write_json

RECIPE = Recipe(rank=32, alpha=64.0, learning_rate=2e-3, steps=700, rows=4, layers=18)


@pytest.mark.parametrize(
    ("seconds", "steps", "layers"),
    [
        (9999.0, 700, 18),  # nothing is cut
        (700.0, 700, 18),
        (400.0, 400, 18),  # passes first
        (300.0, 300, 18),
        (200.0, 300, 12),  # then layers, as far as half of them
        (150.0, 300, 9),
        (50.0, 100, 9),  # then passes again
        (-9.0, 1, 9),
    ],
)
def test_passes_are_cut_before_layers(seconds: float, steps: int, layers: int) -> None:
    assert fit(RECIPE, 1.0, seconds) == (steps, layers)


def test_layers_that_were_asked_for_are_kept() -> None:
    assert fit(RECIPE, 1.0, 50.0, keep_layers=True) == (50, 18)
    assert fit(RECIPE, 1.0, -5.0, keep_layers=True) == (1, 18)


@pytest.mark.parametrize("seconds", [10.0, 77.0, 155.0, 250.0, 333.0, 650.0])
def test_what_is_left_takes_no_longer_than_there_is_time(seconds: float) -> None:
    steps, layers = fit(RECIPE, 0.9, seconds)
    assert 0.85 * seconds <= steps * 0.9 * layers / RECIPE.layers <= 1.03 * seconds


@pytest.fixture
def build(tmp_path: Path) -> Build:
    made = Build(tmp_path / "docs", BuildConfig(), Workspace(tmp_path / "out", "yard"))
    made.at.work.mkdir(parents=True)
    write_json(made.at.lock, {"lessons": {"seconds": 600.0}, "train": {"seconds": 5000.0}})
    return made


def test_the_time_left_is_what_the_stages_before_training_left(build: Build) -> None:
    assert seconds_left(TrainConfig(hours=0.5), build.at) == 1200.0


def test_writing_ends_when_its_share_is_used_up(build: Build) -> None:
    assert writing_clock(TrainConfig(), build.at) is None
    soon, later = (writing_clock(TrainConfig(hours=h), build.at) for h in (0.25, 1.0))
    assert soon and later and soon() and not later()


def test_training_takes_the_cuts_and_otherwise_what_was_configured(build: Build) -> None:
    write_json(build.at.budget, {"steps": 40, "layers": 9})
    assert with_cuts(TrainConfig(), build.at) == TrainConfig()
    assert with_cuts(TrainConfig(hours=1.0), build.at) == TrainConfig(hours=1, steps=40, layers=9)
    write_json(build.at.budget, {})
    assert with_cuts(TrainConfig(hours=1.0, rank=8), build.at) == TrainConfig(hours=1.0, rank=8)


def test_no_time_is_a_setting_and_the_cuts_are_an_input_of_training(build: Build) -> None:
    config = replace(build.config, train=TrainConfig(hours=0.5))
    before = {stage.name: stage for stage in stages(build)}
    after = {stage.name: stage for stage in stages(replace(build, config=config))}
    changed = [name for name in before if before[name].config != after[name].config]
    assert changed == ["lessons", "plan"]
    assert set(after["train"].inputs) - set(before["train"].inputs) == {"work/budget.json"}
    assert set(after["plan"].outputs) == {"work/plan.json", "work/budget.json"}
