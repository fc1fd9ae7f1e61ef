"""Build folders of versions that had more options: they open, and their stages stay done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localtune.build.job import Build
from localtune.build.open_build import open_build, start
from localtune.build.pipeline import keep_settings, stages
from localtune.config.file import from_dict
from localtune.errors import InputError
from localtune.workspace import read_json, write_json


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A build folder with its settings, as one that was just begun."""
    (tmp_path / "docs").mkdir()
    begun = start(tmp_path / "docs", tmp_path / "out", from_dict({"base": {"base": "tiny"}}))
    keep_settings(begun)
    return begun


def add_old_keys(build: Build, **tables: dict[str, object]) -> None:
    settings = read_json(build.at.settings)
    for table, values in tables.items():
        settings["config"][table] |= values
    write_json(build.at.settings, settings)


def test_choices_of_tensor_types_are_left_out(build: Build) -> None:
    add_old_keys(build, quantize={"pure": True, "keep": ["attn_v=Q6_K"]})
    assert open_build(build.at.folder).config == build.config


def test_levels_of_the_usual_types_stay_done(build: Build) -> None:
    levels = [stage for stage in stages(build) if stage.name.startswith("quantize")]
    assert levels and all(level.config == {"pure": False, "keep": []} for level in levels)


@pytest.mark.parametrize("seed", [7, 3])
def test_three_equal_seeds_are_one(build: Build, seed: int) -> None:
    settings = read_json(build.at.settings)
    del settings["config"]["seed"]
    write_json(build.at.settings, settings)
    add_old_keys(build, exam={"seed": seed}, lessons={"seed": seed}, train={"seed": seed})
    assert open_build(build.at.folder).config == replace(build.config, seed=seed)


def test_the_lock_has_the_seed_where_older_builds_had_it(build: Build) -> None:
    seeds = {stage.name: stage.config["seed"] for stage in stages(build) if "seed" in stage.config}
    assert seeds == {"exam": 7, "lessons": 7, "plan": 7, "train": 7}


@pytest.mark.parametrize("values", [7, "ab", ["pure"]])
def test_a_table_that_is_none_is_an_error(build: Build, values: object) -> None:
    settings = read_json(build.at.settings)
    write_json(build.at.settings, {**settings, "config": {"quantize": values}})
    with pytest.raises(InputError, match=r"build\.json"):
        open_build(build.at.folder)
