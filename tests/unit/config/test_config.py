"""Options: one declaration each; flag over TOML over default; every mistake named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localtune.config.fields import flag_of, flags, locked_values, options_of, sections, to_dict
from localtune.config.file import from_dict, load, sections_of_options
from localtune.config.stages import BuildConfig, TrainConfig
from localtune.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "localtune.toml"
    file.write_text(text)
    return file


def test_flag_over_toml_over_default(tmp_path: Path) -> None:
    file = written(tmp_path, 'name = "x"\n[train]\nsteps = 10\nrank = 4\n')
    config = load(file, {"train": {"steps": 20}})
    assert (config.name, config.train.steps, config.train.rank) == ("x", 20, 4)
    assert config.train.alpha == BuildConfig().train.alpha
    assert load(file, {}, name="y").name == "y"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nstep = 1", "unknown key 'step' in \\[train\\]"),
        ("[trian]\nsteps = 1", "unknown key 'trian'"),
        ("[exam]\nseed = 7", "unknown key 'seed' in \\[exam\\]"),
        ("[lessons]\nseed = 7", "unknown key 'seed' in \\[lessons\\]"),
        ("[train]\nseed = 7", "unknown key 'seed' in \\[train\\]"),
        ("seed = 1.5", "seed is 1.5, but it must be a whole number"),
        ("seed = -1", "--seed is -1"),
        ("train = 1", "train must be a table"),
        ('[train]\nsteps = "many"', "train.steps is 'many', but it must be a whole number"),
        ("[train]\nsteps = true", "must be a whole number"),
        ("[base]\noffline = 1", "true or false"),
        ('[quantize]\nlevels = "Q4_K_M"', "must be a list"),
        ("[train\n", "not valid TOML"),
        ("[train]\nsteps = -1", "--steps is -1"),
        ("[corpus]\npassage_tokens = 3", "--passage-tokens is 3"),
        ("[quantize]\nlevels = []", "--quantize"),
        ('[base]\nbase = "no/such/folder"', "There is no base"),
        ('[base]\nbase = "./nosuch"', "There is no base"),
        ('[lessons]\nmode = "magic"', "--lessons is 'magic'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(written(tmp_path, text), {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nosuch\.toml"):
        load(tmp_path / "nosuch.toml", {})


def test_a_whole_number_may_stand_for_a_float(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[train]\nalpha = 16"), {}).train.alpha == 16.0


def test_python_options_are_the_flags() -> None:
    given: dict[str, Any] = {"quantize": "Q8_0, Q4_K_M", "max_length": 512, "base": None}
    assert sections_of_options(given) == {
        "quantize": {"levels": ("Q8_0", "Q4_K_M")},
        "train": {"max_length": 512},
    }
    with pytest.raises(ConfigError, match="no option 'maxlength'"):
        sections_of_options({"maxlength": 1})


@pytest.mark.parametrize("key", ["corpus.file_seconds", "train.alpha", "train.batch_tokens"])
def test_some_keys_are_those_of_the_file_only(tmp_path: Path, key: str) -> None:
    section, _, name = key.partition(".")
    config = load(written(tmp_path, f"[{section}]\n{name} = 17"), {})
    assert getattr(getattr(config, section), name) == 17
    with pytest.raises(ConfigError, match=f"no option '{name}'"):
        sections_of_options({name: 17})
    with pytest.raises(ConfigError, match=f"^{key} is -1") as raised:
        load(written(tmp_path, f"[{section}]\n{name} = -1"), {})
    assert raised.value.hint == f"Change {key}."


def test_every_field_has_help_and_a_flag_of_its_own() -> None:
    from dataclasses import fields

    from localtune.config.fields import section_type

    every = [spec for section in sections() for spec in fields(section_type(section))]
    all_fields = [*options_of(""), *(spec for spec in every if spec.name != "seed")]
    with_flag = [spec for spec in all_fields if flag_of(spec)]
    assert len(flags()) == len(with_flag) == len(all_fields) - 3, "two options share a flag"
    assert all(spec.metadata.get("help") for spec in all_fields)


def test_a_configuration_goes_to_json_and_back() -> None:
    given: dict[str, Any] = {
        "quantize": {"levels": ("Q8_0",)},
        "exam": {"questions": 5},
        "": {"seed": 3},
    }
    config = load(None, given)
    assert "seed" not in to_dict(config)["exam"]
    assert from_dict(to_dict(config)) == config


def test_one_seed_is_that_of_exam_lessons_and_training(tmp_path: Path) -> None:
    file = written(tmp_path, "seed = 3\n[train]\nsteps = 10\n")
    for config, seed in (
        (BuildConfig(), 7),
        (load(file, {}), 3),
        (load(file, sections_of_options({"seed": 5})), 5),
        (replace(load(file, {}), train=TrainConfig(steps=1)), 3),
    ):
        parts = (config.exam, config.with_replay(), config.train)
        assert [locked_values(part)["seed"] for part in parts] == [seed] * 3


def test_what_changes_no_artefact_is_not_locked() -> None:
    config = BuildConfig()
    assert "offline" not in locked_values(config.base)
    assert "threads" not in locked_values(config.train)
    assert locked_values(config.quantize)["levels"] == ["Q4_K_M", "Q8_0"]
