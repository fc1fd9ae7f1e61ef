"""What a plan is made of: shapes, sizes, straight lines, advice, electricity."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from localtune.bases.catalogue import CatalogueEntry, entries, find
from localtune.build.estimate import EstimateRequest
from localtune.config.stages import BaseConfig, BuildConfig, QuantizeConfig, TrainConfig
from localtune.errors import BaseModelError, ConfigError, TrainingError
from localtune.estimate import candidates
from localtune.estimate.advice import advise
from localtune.estimate.base import base_of
from localtune.estimate.candidates import Limits, Work, choose, compare
from localtune.estimate.disk import disk
from localtune.estimate.electricity import carbon, countries, power
from localtune.estimate.fresh import in_fresh_process
from localtune.estimate.machine import Machine, this_machine
from localtune.estimate.measured import Estimate, Training, Yardstick
from localtune.estimate.outline import sizes
from localtune.estimate.shape import Shape, cut, shape_of, write_base
from localtune.estimate.stages import behind_training, whole
from localtune.estimate.targets import soft_targets
from localtune.estimate.training import _from_line
from localtune.export.convert import convert
from localtune.llama.quantize import quantize
from localtune.training.lengths import Lessons
from localtune.training.lora import Amount, Recipe
from localtune.training.rehearse import Rehearsed, pack_lessons, recipe_for, rehearse
from localtune.workspace import write_jsonl

TINY = BaseConfig("tiny").folder()
assert TINY
CONFIG = json.loads((TINY / "config.json").read_text())
GB = 10**9


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_a_shape_has_the_parameters_that_are_published(entry: CatalogueEntry) -> None:
    known = {key: value for key, value in entry.config.items() if key != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(entry.config["model_type"], **known)
        )
    shape = shape_of(entry.config)
    assert shape.parameters == model.num_parameters() == entry.parameters
    assert shape.hidden * entry.config["vocab_size"] == shape.output


def test_the_catalogue_says_of_each_base_what_a_person_must_know() -> None:
    assert len({entry.id for entry in entries()}) == len(entries()) >= 15
    for entry in entries():
        assert entry.licence and entry.languages
        assert entry.id == "tiny" or re.fullmatch(r"[\w.-]+/[\w.-]+", entry.id)
        assert entry.gated == entry.id.startswith(("meta-llama/", "google/gemma-3"))


def test_lora_has_the_parameters_that_peft_makes() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(TINY))
    tuned = get_peft_model(
        model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    trained = sum(weight.numel() for weight in tuned.parameters() if weight.requires_grad)
    assert shape_of(CONFIG).adapter(8, CONFIG["num_hidden_layers"]) == trained


def test_lists_with_an_entry_a_layer_are_cut() -> None:
    config = {"num_hidden_layers": 3, "layer_types": ["a", "b", "c"], "other": [1, 2]}
    assert cut(config, 2) == {"num_hidden_layers": 2, "layer_types": ["a", "b"], "other": [1, 2]}
    assert cut({"text_config": config}, 1)["text_config"]["layer_types"] == ["a"]


def test_a_base_cut_short_has_the_real_weights(tmp_path: Path) -> None:
    folder = write_base(CONFIG, 2, tmp_path / "short", TINY)
    short = AutoModelForCausalLM.from_pretrained(folder)
    real = AutoModelForCausalLM.from_pretrained(TINY)
    assert len(short.model.layers) == 2
    for name, weight in short.named_parameters():
        assert torch.equal(weight, real.get_parameter(name)), name


def test_weights_that_nobody_has_take_no_room(tmp_path: Path) -> None:
    entry = find("qwen/qwen2.5-0.5b-instruct")
    assert entry
    file = write_base(entry.config, 3, tmp_path / "holes") / "model.safetensors"
    assert file.stat().st_size > 300e6 and file.stat().st_blocks * 512 < 1e6
    model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.bfloat16)
    assert not model.get_input_embeddings().weight[-1].any()


def test_sizes_are_those_of_the_files_that_are_written(tmp_path: Path) -> None:
    found = sizes(CONFIG, 0, QuantizeConfig(levels=("Q4_K_M", "Q8_0")))
    convert(TINY, tmp_path / "master.gguf", name="x")  # type: ignore[arg-type]
    vocabulary = (tmp_path / "master.gguf").stat().st_size - found["master"]
    assert 0 < vocabulary < 200_000, "the outline has none"
    for level in ("Q4_K_M", "Q8_0"):
        quantize(tmp_path / "master.gguf", tmp_path / level, level)
        assert (tmp_path / level).stat().st_size == pytest.approx(found[level] + vocabulary, abs=64)


def test_a_family_that_is_not_ours_is_told_roughly() -> None:
    config = {"model_type": "gpt_neox", "num_hidden_layers": 2, "hidden_size": 64}
    found = sizes(config, 1000, QuantizeConfig(levels=("Q4_K_M",)))
    assert found == {"master": 2000, "Q4_K_M": 625}


def test_disk_counts_what_lies_there_at_one_time() -> None:
    shape = shape_of(CONFIG)
    whole = plan(shape.layers)
    found = disk(shape, whole, 1000, {"master": 100, "Q8_0": 60}, here=False)
    assert found["download"] == 2 * shape.parameters
    assert found["adapter"] == 4 * shape.adapter(32, shape.layers)
    assert found["peak"] == found["download"] + 10 * found["adapter"]
    assert disk(shape, whole, 1000, {"master": 10**9}, here=True)["peak"] > 2 * 10**9
    again = disk(shape, whole, 1000, {"master": 100, "Q8_0": 60}, here=False, four_bit=True)
    assert again["stays"] == found["stays"] + 2 * shape.parameters
    half = disk(shape, plan(1), 1000, {"master": 100, "Q8_0": 60}, here=False)
    assert half["layer inputs"] == 2000 * shape.hidden and not found["layer inputs"]


def plan(layers: int, rows: int = 4) -> Recipe:
    return Recipe(32, 64.0, 1e-3, 100, rows, layers)


def amount(rows: int, memory: int = 0) -> Lessons:
    """Return lessons that take `memory` bytes, a multiple of 80."""
    return Lessons(Path(), None, memory // 80, 0, rows, 256, 0.5, 10.0, 0.0)


def deep(layers: int) -> Shape:
    return replace(shape_of(CONFIG), layers=layers)


def tried(step: float, memory: int, spread: float = 0.0) -> Rehearsed:
    return Rehearsed(step, spread, step / 2, 2.0, memory, 0, 6, "float32")


def test_layers_are_a_straight_line() -> None:
    two = [tried(1.0, 100), tried(2.0, 160)]
    found = _from_line((1, 3), two, deep(24), plan(24), amount(0, 80))
    assert found.step == pytest.approx(1.0 + 23 * 0.5)
    assert found.check == pytest.approx(found.step / 2)
    assert found.memory == 100 + 23 * 30 + 80
    alone = _from_line((6,), [tried(0.4, 100, 0.1)], deep(6), plan(6), amount(0))
    assert (alone.step, alone.memory, alone.band) == (0.4, 100, 0.25)


def test_what_is_uncertain_grows_with_the_way_to_all_layers() -> None:
    one, other = ([tried(1.0, 1, off), tried(2.0, 2, off)] for off in (0.02, 0.2))
    near = _from_line((1, 3), one, deep(4), plan(4), amount(0))
    far = _from_line((1, 3), other, deep(40), plan(40), amount(0))
    assert near.band < far.band < 0.3


def test_layers_that_are_not_trained_take_one_pass_and_their_memory() -> None:
    two = [tried(1.0, 100), tried(2.0, 160)]
    whole = _from_line((1, 3), two, deep(24), plan(24), amount(800))
    upper = _from_line((1, 3), two, deep(24), plan(14), amount(800))
    assert upper.step == pytest.approx(1.0 + 13 * 0.5) and upper.check == whole.check
    once = 800 / 4 * 10 * 0.4 * upper.step / 14
    assert upper.around == pytest.approx(whole.around + once)
    assert upper.memory == 100 + 13 * 30 + 10 * shape_of(CONFIG).layer * 6


@pytest.mark.slow
def test_the_questions_set_aside_are_tried_too(tmp_path: Path) -> None:
    lessons = tmp_path / "lessons.jsonl"
    write_jsonl(lessons, [{"text": f"Gate {n} opens at {n} past nine."} for n in range(40)])
    base = write_base(CONFIG, 1, tmp_path / "base", filled=True)
    without = pack_lessons(base, lessons, TrainConfig(), None)
    write_jsonl(tmp_path / "development.jsonl", [{"question": "Which gate?", "answers": ["9"]}])
    found = []
    for packed in (without, pack_lessons(base, lessons, TrainConfig(), None)):
        plan = recipe_for(packed, TrainConfig(), 256, 2)
        found.append(rehearse(base, packed, plan, TrainConfig(max_length=64), 2))
    assert found[0].check == 0 < found[1].check
    assert min(row.step for row in found) > 0


def test_what_is_tried_runs_in_a_process_of_its_own() -> None:
    assert in_fresh_process(os.getpid) not in (0, os.getpid())
    assert in_fresh_process(os.write, 1, b"what a library prints") == 21
    with pytest.raises(BaseModelError) as found:
        in_fresh_process(base_of, BaseConfig(base="nobody/nothing", offline=True))
    assert found.value.hint
    with pytest.raises(TrainingError, match="ValueError: invalid literal"):
        in_fresh_process(int, "seven")
    with pytest.raises(TrainingError, match="Aborted") as killed:
        in_fresh_process(os.abort)
    assert "memory probably ran out" in killed.value.hint


def test_stages_behind_training_grow_with_the_weights() -> None:
    config, shape = BuildConfig(), shape_of(CONFIG)
    ones = {"BF16": 1.0, "Q4_K_M": 1.0, "Q8_0": 1.0}
    half = Yardstick(shape.parameters // 2, 1.0, 1.0, 0.001, 0.5, {"Q4_K_M": 3.0}, ones, ones)
    found = {row.stage: row for row in behind_training(shape, half, config, 10, 20.0, 0)}
    assert found["export"].seconds == pytest.approx(2.0)
    assert found["quantize Q4_K_M"].seconds == pytest.approx(6.5)
    assert found["grade Q4_K_M"].seconds == pytest.approx(10 * 2 * 21)
    assert found["imatrix"].memory == 4 * shape.parameters


def test_errors_are_added_as_if_they_went_one_way() -> None:
    total = whole([Estimate("a", 90, 0.1, 5), Estimate("b", 10, 0.5, 9)])
    assert (total.seconds, total.band, total.memory) == (100, 0.14, 9)


def test_soft_targets_are_a_forward_pass_over_what_asks_for_them() -> None:
    chat = {"messages": [{"role": "user", "content": "W" * 30}, {"role": "a", "content": "a" * 30}]}
    text = {"text": "t" * 20, "targets": "alone"}
    shared = {"tokens": 8000, "step": 2.0, "step_tokens": 1000, "around": 3.0}
    assert soft_targets([chat, chat], **shared) == []
    (some,) = soft_targets([chat, text], **shared)
    assert some.stage == "targets" and some.seconds == pytest.approx(2 + 3)  # a quarter of 8 steps
    assert not some.measured


def machine(memory: int = 24 * GB, free_disk: int = 500 * GB) -> Machine:
    return Machine("Linux", 2, memory, memory, "", 0, free_disk)


MEASURED = Training(1.5, 0.1, 0.5, 3.0, 4 * GB, 0, 6, "float32", (1, 3))
WORK = Work(TrainConfig(max_length=256), Amount(20_000, 2500), 0.5)


def compared(at: Machine, hours: float = 8.0, offline: bool = False) -> list[candidates.Candidate]:
    return compare(WORK, MEASURED, GB // 2, Limits(at, hours, frozenset({"tiny"}), offline))


def test_the_largest_base_that_fits_is_recommended() -> None:
    rows = compared(machine())
    fitting = [row for row in rows if not row.why_not]
    assert 1 < len(fitting) < len(rows)
    best = choose(rows)
    assert best.seconds <= 8 * 3600 and best.memory < 0.85 * 24 * GB
    assert all(best.entry.parameters >= row.entry.parameters for row in fitting)
    assert 0.1e9 < choose(compared(machine(), hours=2)).entry.parameters < 1e9
    assert choose(compared(machine(memory=1 * GB))).entry.id == "tiny"
    assert choose(compared(machine(free_disk=GB // 100))).entry.id == "tiny"
    assert choose(compared(machine(), offline=True)).entry.id == "tiny"
    assert all(row.why_not for row in rows if row.entry.gated)


def test_a_larger_base_takes_more_of_everything() -> None:
    rows = {row.entry.id: row for row in compared(machine())}
    small, large = rows["Qwen/Qwen3-0.6B"], rows["Qwen/Qwen3-8B"]
    assert small.seconds < large.seconds and small.memory < large.memory
    assert small.disk < large.disk
    assert rows[candidates.REFERENCE].memory == pytest.approx(4 * GB, rel=1e-6)


def with_card(
    card: int, four_bit: bool, precision: str = "auto"
) -> dict[str, candidates.Candidate]:
    at = replace(machine(64 * GB), card="a card", card_memory=card)
    on_card = Training(0.01, 0.1, 0.5, 3.0, 4 * GB, GB, 2, "bfloat16", (1, 3))
    work = replace(WORK, config=TrainConfig(precision=precision, max_length=256))
    rows = compare(work, on_card, 0, Limits(at, 99.0, frozenset({"tiny"}), False, four_bit))
    return {row.entry.id: row for row in rows}


def test_four_bits_are_taken_where_sixteen_do_not_fit_the_card() -> None:
    large, small = "Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B"
    wide = with_card(80 * GB, four_bit=True)
    assert wide[large].precision == "" and not wide[large].why_not
    card = next(n * GB for n in range(8, 60) if with_card(n * GB, four_bit=True)[large].precision)
    found, without = with_card(card, four_bit=True), with_card(card, four_bit=False)
    assert found[large].precision == "nf4" and not found[large].why_not
    assert found[large].memory < 0.85 * card < wide[large].memory == without[large].memory
    assert found[small].precision == "" and found[small].memory == wide[small].memory
    assert without[large].why_not.endswith('pip install "localtune[4bit]"')
    assert with_card(card, four_bit=True, precision="bf16")[large].why_not == without[
        large
    ].why_not.removesuffix(candidates.WITH_EXTRA)
    assert not with_card(2 * GB, four_bit=True)[large].precision


def passage(text: str) -> dict[str, Any]:
    return {"document": "a.md", "title": "Notes", "headings": [], "text": text}


def test_prose_is_for_tuning() -> None:
    names = ("office", "library", "kitchen", "garden", "workshop", "archive", "studio", "hall")
    works = ("cleaned", "opened", "guarded", "heated", "painted")
    lines = [
        f"The {name} of the old house is {work} by the {other} team before anybody comes in. "
        f"Whoever wants to use the {name} for the {other} club asks the people who live there."
        for name in names for work in works for other in ("first", "second")
    ]  # fmt: skip
    found = advise([passage(" ".join(lines))])
    assert (found.use, found.why) == ("tuning", ()) and found.shares["changing"] == 0


def test_little_text_is_for_a_prompt() -> None:
    found = advise([passage("The office opens at nine. It is closed on Sundays.")])
    assert found.use == "retrieval" and "too little" in found.why[0]


def test_tables_of_numbers_are_for_retrieval() -> None:
    rows = "\n".join(f"| Part {i} | {i * 37} | {i * 11} |" for i in range(300))
    found = advise([passage(f"| Name | Weight | Stock |\n|---|---|---|\n{rows}\n")])
    assert found.use == "retrieval" and "rows of tables" in found.why[0]
    assert found.shares["tables"] == 1.0


def test_what_changes_daily_is_for_retrieval() -> None:
    lines = [
        f"On 2026-11-{day:02} the canteen of the {hall} hall serves soup number {day} to everybody."
        for day in range(1, 29) for hall in ("north", "south")
    ]  # fmt: skip
    found = advise([passage(" ".join(lines))])
    assert found.use == "retrieval" and "dates or prices" not in found.why[0]
    assert found.shares["changing"] == 1.0


def test_countries_have_their_electricity() -> None:
    assert len(countries()) > 200
    assert carbon("DEU") == carbon("germany") == ("Germany", 381)
    assert carbon("")[1] == 480
    with pytest.raises(ConfigError, match="--country"):
        carbon("Atlantis")


def test_power_is_assumed_unless_it_is_given() -> None:
    found = power(2, 24 * GB)
    assert found.least < found.watts == 23.0 < found.most and not found.known
    assert power(2, 24 * GB, watts=40.0).most == 40.0


@pytest.mark.parametrize("name", ["price", "watts", "hosted_price"])
def test_limits_below_zero_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--" + name.replace("_", "-")):
        replace(EstimateRequest(), **{name: -1.0}).check()


def test_a_base_that_is_not_here_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not base_of(BaseConfig("Qwen/Qwen3-0.6B")).here, "the catalogue knows its shape"
    with pytest.raises(BaseModelError, match="--offline") as raised:
        base_of(BaseConfig("Qwen/Qwen3-0.6B", offline=True))
    assert "tiny" in raised.value.hint


def test_a_gguf_says_its_own_shape(tmp_path: Path) -> None:
    convert(TINY, tmp_path / "base.gguf", name="x")  # type: ignore[arg-type]
    found = base_of(BaseConfig(str(tmp_path / "base.gguf")))
    assert shape_of(found.config).parameters == shape_of(CONFIG).parameters
    assert found.here and found.folder is None


def test_this_machine_has_memory_and_a_disk(tmp_path: Path) -> None:
    found = this_machine(tmp_path / "not" / "there")
    assert found.cores >= 1 and found.memory > 1e8 and found.free_disk > 0
