"""Every adapter that the installed PEFT can make is merged as PEFT merges it, or refused by name.

The lists are PEFT's own, so that what a later version adds is tried too. An adapter is built and
saved as a user would; where PEFT can't build it here (a GPU or a package is missing), the option is
written into the configuration of a plain one.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from conftest import CHATML, KINDS
from gguf import GGUFReader
from peft import LoraConfig, PeftModel, PeftType, get_peft_model
from peft import initialize_lora_eva_weights as initialize_eva
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora import layer as lora_layer
from peft.tuners.lora.config import BdLoraConfig, KasaConfig, LoraGAConfig, VeloraConfig
from peft.tuners.lora.loraga import preprocess_loraga
from random_models import make_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from localtune.errors import ExportError
from localtune.export.merge import merge
from localtune.export.write.gguf_adapter import export_adapter
from localtune.export.write.master import export_master

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT's, on what is asked for on purpose

PLAIN = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
IDS = torch.arange(40).reshape(2, 20)
# What building needs beyond the option itself.
NEEDED = {
    "ADALORA": {"total_step": 10},
    "ADAPTION_PROMPT": {"adapter_layers": 1, "adapter_len": 4},
    "lora_ga": {"lora_ga_config": LoraGAConfig()},
}
VALUES: dict[str, Any] = {
    "r": 6,
    "lora_alpha": 3,
    "target_modules": "all-linear",
    "exclude_modules": ["v_proj"],
    "lora_dropout": 0.1,
    "fan_in_fan_out": True,
    "bias": "all",
    "use_rslora": True,
    "modules_to_save": ["lm_head"],
    "layers_to_transform": [1],
    "rank_pattern": {"q_proj": 2},
    "alpha_pattern": {"layers.1.self_attn.v_proj": 32},
    "trainable_token_indices": {"embed_tokens": [1, 2]},
    "use_dora": True,
    "velora_config": VeloraConfig(num_groups=4),
    "alora_invocation_tokens": [3, 4],
    "layer_replication": [(0, 2), (0, 2)],
    "lora_bias": True,
    "target_parameters": ["mlp.up_proj.weight"],
    "use_bdlora": BdLoraConfig(target_modules_bd_b=["q_proj", "v_proj"], nblocks=2),
    "kasa_config": KasaConfig(),
    "ensure_weight_tying": True,
}
# These must be built by PEFT itself, wherever the tests run.
BUILT = {
    *("pissa", "pissa_niter_4", "olora", "lora_ga", "eva", "gaussian", "orthogonal", "mica"),
    *("IA3", "LOHA", "LOKR", "ADALORA", "VERA", "OFT", "BOFT", "PREFIX_TUNING"),
}
CANNOT_BUILD = (ImportError, ValueError, TypeError, RuntimeError, KeyError, AttributeError)
ELSEWHERE = ("peft_type", "runtime_config")  # tried below; not saved by PEFT


def initialisations() -> list[Any]:
    """Return the values of init_lora_weights that PEFT's types and its code name."""
    hints = get_args(get_type_hints(LoraConfig)["init_lora_weights"])
    named = {value for hint in hints for value in get_args(hint)}
    source = inspect.getsource(lora_layer)
    compared = r'init_lora_weights(?:\.lower\(\))?(?: == |\.startswith\()"(\w+)"'
    named |= set(re.findall(compared, source))
    assert {"pissa", "olora", "loftq", "corda", "lora_ga"} <= named
    return [True, False, *sorted(re.sub(r"\[.*\]", "4", name) for name in named)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("biased"), "llama tied, biases, all heads")


def save_base(folder: Path, family: str) -> Path:
    made = make_model(folder / "base", family, 460, torch.float32)
    tokenizer = Fast(tokenizer_object=KINDS["gpt-2"](), eos_token="<|im_end|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(made)
    return made


def load(base: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)


def prepared(base: Path, config: LoraConfig) -> Any:
    """Return the base with an adapter as PEFT's documentation initialises it."""
    model, init = load(base), config.init_lora_weights
    if init == "corda":
        from peft.tuners.lora.corda import preprocess_corda  # needs a package that may be missing

        preprocess_corda(model, config, run_model=lambda: model(input_ids=IDS))
    if init == "lora_ga":
        preprocess_loraga(model, config, lambda: model(input_ids=IDS, labels=IDS).loss.backward())
    tuned = get_peft_model(model, config)
    if init == "eva":
        batch = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
        initialize_eva(tuned, [batch] * 4, show_progress_bar=False)
    return tuned


def save_trained(tuned: Any, folder: Path) -> Path:
    """Save an adapter whose weights have changed as in training."""
    torch.manual_seed(8)
    for name, weight in tuned.named_parameters():
        if "lora_" in name or weight.requires_grad:
            weight.data = weight.data + 0.05 * torch.randn_like(weight)
    tuned.save_pretrained(folder)
    return folder


def edit(adapter: Path, **options: Any) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **options}))


def build(base: Path, folder: Path, name: str, value: Any) -> Path:
    """Save an adapter of one option; a plain one that names it where PEFT can't build it here."""
    options = {**PLAIN, name: value, **NEEDED.get(str(value), {})}
    try:
        return save_trained(prepared(base, LoraConfig(**options)), folder)
    except CANNOT_BUILD:
        assert value is not True and str(value) not in BUILT
        save_trained(prepared(base, LoraConfig(**PLAIN)), folder)
        edit(folder, **{name: value if isinstance(value, str | bool) else "set"})
        return folder


def weights(gguf: Path) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in GGUFReader(gguf).tensors}


def assert_same_or_refused(base: Path, adapter: Path, folder: Path, name: str) -> None:
    """Merge by each way; what one way refuses the others refuse."""
    try:
        export_master(base, adapter, folder / "ours.gguf", "m", kind="f32")
    except ExportError as error:
        assert name in error.message
        assert error.hint
        with pytest.raises(ExportError, match=re.escape(name)):
            merge(base, adapter, folder / "merged")
        with pytest.raises(ExportError, match=re.escape(name)):
            export_adapter(base, adapter, folder / "adapter.gguf", "m")
        assert not {"ours.gguf", "merged", "adapter.gguf"} & {
            file.name for file in folder.iterdir()
        }
        return
    theirs = PeftModel.from_pretrained(load(base), str(adapter)).merge_and_unload()
    theirs.save_pretrained(folder / "peft")
    for file in base.glob("tok*"):
        (folder / "peft" / file.name).write_bytes(file.read_bytes())
    export_master(folder / "peft", None, folder / "theirs.gguf", "m", kind="f32")
    ours, wanted = weights(folder / "ours.gguf"), weights(folder / "theirs.gguf")
    assert ours.keys() == wanted.keys()
    for key, weight in wanted.items():
        np.testing.assert_allclose(ours[key], weight, rtol=2**-8, atol=1e-4, err_msg=key)
    merge(base, adapter, folder / "merged")
    mine, stored = (load_file(folder / kind / "model.safetensors") for kind in ("merged", "peft"))
    assert mine.keys() == stored.keys()
    for key, weight in stored.items():
        torch.testing.assert_close(mine[key], weight, rtol=2**-8, atol=1e-4, msg=key)


@pytest.mark.parametrize("init", initialisations(), ids=str)
def test_an_initialisation_is_merged_as_peft_merges_it_or_refused(
    init: Any, base: Path, tmp_path: Path
) -> None:
    adapter = build(base, tmp_path / "adapter", "init_lora_weights", init)
    assert_same_or_refused(base, adapter, tmp_path, repr(init))


OPTIONS = [f.name for f in dataclasses.fields(LoraConfig) if f.name not in ELSEWHERE]
CASES = [*((name, False) for name in OPTIONS), ("bias", True), ("lora_bias", True)]


@pytest.mark.parametrize(("name", "biases"), CASES)
def test_an_option_is_merged_as_peft_merges_it_or_refused(
    name: str, biases: bool, base: Path, biased: Path, tmp_path: Path
) -> None:
    chosen = biased if biases else base
    if name in VALUES:
        adapter = build(chosen, tmp_path / "adapter", name, VALUES[name])
    else:
        adapter = save_trained(prepared(chosen, LoraConfig(**PLAIN)), tmp_path / "adapter")
        edit(adapter, **({} if name in SETTINGS else {name: "set"}))
    assert_same_or_refused(chosen, adapter, tmp_path, name)


# Options that change no weight: settings of others, and what PEFT fills in itself.
SETTINGS = {
    *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "layers_pattern", "megatron_core", "qalora_group_size"),
    *("loftq_config", "eva_config", "corda_config", "lora_ga_config", "init_lora_weights"),
}


@pytest.mark.parametrize("kind", [kind for kind in PeftType if kind != PeftType.LORA])
def test_a_tuner_other_than_lora_is_refused_by_name(
    kind: PeftType, base: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    known = {field.name for field in dataclasses.fields(config)}
    plain = {name: PLAIN[name] for name in ("target_modules", "task_type")}
    asked = {**plain, "num_virtual_tokens": 4, **NEEDED.get(kind.value, {})}
    try:
        made = config(**{name: value for name, value in asked.items() if name in known})
        save_trained(get_peft_model(load(base), made), adapter)
    except CANNOT_BUILD:
        assert kind.value not in BUILT
        save_trained(prepared(base, LoraConfig(**PLAIN)), adapter)
        edit(adapter, peft_type=kind.value)
    with pytest.raises(ExportError, match=rf"of the type {kind.value}\b") as refused:
        export_master(base, adapter, tmp_path / "m.gguf", "m")
    assert refused.value.hint
    assert not (tmp_path / "m.gguf").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"init_lora_weights": "pissa_plus"}, "'pissa_plus'"),  # of a later PEFT
        ({"later_option": {"strength": 2}}, "later_option"),
        ({"peft_type": None}, "of the type None"),
        ({"r": 16}, "factors of rank 4 .*, though r = 16"),
        ({"rank_pattern": {"q_proj": 2}}, "factors of rank 4 .*q_proj, though r = 2"),
        ({"use_dora": True}, "no magnitude of .*, though use_dora = True"),
        ({"lora_bias": True}, "no bias of .*, though lora_bias = True"),
        ({"alpha_pattern": [1]}, "an invalid alpha_pattern"),
        ({"alpha_pattern": {"(": 1}}, "an invalid alpha_pattern"),
    ],
)
def test_a_configuration_that_peft_would_load_otherwise_is_refused(
    options: dict[str, Any], why: str, base: Path, tmp_path: Path
) -> None:
    adapter = save_trained(prepared(base, LoraConfig(**PLAIN)), tmp_path / "adapter")
    edit(adapter, **options)
    with pytest.raises(ExportError, match=why):
        export_master(base, adapter, tmp_path / "m.gguf", "m")


def test_a_tensor_that_the_base_lacks_is_refused(base: Path, tmp_path: Path) -> None:
    """PEFT ignores it; written to the merged model it would be ignored by transformers."""
    adapter = save_trained(prepared(base, LoraConfig(**PLAIN)), tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    extra = {"base_model.model.model.layers.0.self_attn.q_proj.bias": torch.ones(256)}
    save_file({**load_file(file), **extra}, file)
    with pytest.raises(ExportError, match=r"q_proj\.bias, which the base doesn't have"):
        merge(base, adapter, tmp_path / "merged")


def test_a_converted_pissa_adapter_is_merged(base: Path, tmp_path: Path) -> None:
    """What the refusal tells the user to do works."""
    tuned = prepared(base, LoraConfig(**PLAIN, init_lora_weights="pissa"))
    tuned.peft_config["default"].init_lora_weights = True
    tuned.save_pretrained(tmp_path / "initial")
    tuned.peft_config["default"].init_lora_weights = "pissa"
    torch.manual_seed(8)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            weight.data = weight.data + 0.05 * torch.randn_like(weight)
    initial = str(tmp_path / "initial")
    tuned.save_pretrained(tmp_path / "lora", path_initial_model_for_weight_conversion=initial)
    trained = tuned.merge_and_unload().state_dict()
    merge(base, tmp_path / "lora", tmp_path / "merged")
    for key, weight in load_file(tmp_path / "merged" / "model.safetensors").items():
        torch.testing.assert_close(weight, trained[key], rtol=2**-8, atol=1e-4, msg=key)
