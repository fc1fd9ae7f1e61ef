"""The base in 4 bits (NF4): how it is loaded, and the weights that it comes down to, as a folder.

NF4: Dettmers et al. 2023, QLoRA, arXiv:2305.14314. The only importer of bitsandbytes, an extra.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file

from localtune.config.extras import FOUR_BIT, is_installed
from localtune.config.stages import NF4, TrainConfig
from localtune.errors import TrainingError
from localtune.progress import Progress
from localtune.training.machine import in_bf16, on_gpu
from localtune.workspace import atomic_path, remove

ROOM = 0.8  # of the free memory; the rest is for answers


def check_extra(config: TrainConfig) -> None:
    """Raise TrainingError where 4 bits are asked for and the extra isn't installed."""
    if config.precision == NF4 and not is_installed(FOUR_BIT):
        raise TrainingError(
            f"--precision is {NF4}, but bitsandbytes isn't installed.",
            f'Install it with `pip install "localtune[{FOUR_BIT}]"`, or leave --precision away.',
        )


def how_to_load(config: TrainConfig) -> dict[str, Any]:
    """Return what from_pretrained is told besides, nothing unless 4 bits are asked for.

    The absolute maxima of the blocks are quantized too. Raises TrainingError without the extra.
    """
    if config.precision != NF4:
        return {}
    check_extra(config)
    from transformers import BitsAndBytesConfig

    card = int(os.environ.get("LOCAL_RANK", "0"))
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if in_bf16(config) else torch.float32,
        ),
        "device_map": {"": card if on_gpu(config) else "cpu"},
    }


@dataclass(frozen=True)
class Merge:
    """What the adapter is merged into, and how many questions were right with either.

    `exact` is of the 4-bit weights, `wide` of the base's own; None where there were no questions.
    """

    into_base: bool
    exact: int | None = None
    wide: int | None = None

    def row(self) -> dict[str, Any]:
        """Return it as metrics.jsonl holds it."""
        return {
            "merged_into": "base" if self.into_base else NF4,
            NF4: self.exact,
            "base": self.wide,
        }


def choose(
    model: PeftModel,
    base: Path,
    out: Path,
    right: Callable[[PeftModel], int] | None,
    on_base: Callable[[], PeftModel],
    progress: Progress,
) -> Merge:
    """Write what the adapter is to be merged into as `out`, unless it is the base itself.

    That is the weights it was trained upon, or the base's own where these answer more questions
    `right`; where there are no questions, the former. `on_base` gives the adapter upon the base.
    """
    remove(out)
    exact = right(model) if right else None
    wide = right(on_base()) if right else None
    into_base = exact is not None and wide is not None and wide > exact
    if not into_base:
        write_folder(model, base, out)
    _tell(Merge(into_base, exact, wide), progress)
    return Merge(into_base, exact, wide)


def _tell(made: Merge, progress: Progress) -> None:
    into = "the base's own weights" if made.into_base else "the 4-bit weights it was trained upon"
    known = "which is better was not measured"
    if made.exact is not None:
        known = f"{made.exact} development questions are right with the 4-bit weights, "
        known += f"{made.wide} with the base's own"
    progress.note(f"the adapter is merged into {into}: {known}")


def where_it_fits(model: PeftModel, gpu: bool) -> PeftModel:
    """Put a model onto the graphics card where there is room for it; it stays where it is else."""
    if not gpu:
        return model
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    size = sum(weight.nbytes for weight in model.parameters())
    return model.to("cuda") if size < ROOM * free else model


def write_folder(model: PeftModel, base: Path, out: Path) -> None:
    """Write the base with its 4-bit weights, as numbers of its own format; one file at a time.

    Raises TrainingError where the base's files don't hold a weight under the model's own name.
    """
    weights = dict(_in_four_bits(model))
    with atomic_path(out) as temporary:
        temporary.mkdir()
        for file in sorted(base.iterdir()):
            if file.suffix == ".safetensors":
                _rewrite(file, temporary / file.name, weights)
            elif file.is_symlink():
                (temporary / file.name).symlink_to(file.resolve())
            elif file.is_file():
                shutil.copyfile(file, temporary / file.name)
        if weights:
            raise TrainingError(
                f"The base's files hold no {min(weights)}, so that it can't be written as trained.",
                "Leave --precision away, or choose another --base.",
            )


def _in_four_bits(model: PeftModel) -> Iterator[tuple[str, Any]]:
    """Yield (name of the weight, layer) of every layer that is kept in 4 bits."""
    of_four_bits = importlib.import_module("bitsandbytes.nn").Linear4bit
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, of_four_bits):
            yield f"{name.removesuffix('.base_layer')}.weight", layer


def _rewrite(file: Path, out: Path, weights: dict[str, Any]) -> None:
    """Copy a file of tensors with those of `weights` in their place, which are taken from there."""
    dequantize = importlib.import_module("bitsandbytes.functional").dequantize_4bit
    tensors = {}
    with safe_open(file, framework="pt") as source:
        for name in source.keys():  # noqa: SIM118  # it is no mapping
            tensors[name] = source.get_tensor(name)
            if layer := weights.pop(name, None):
                kept = dequantize(layer.weight.data, layer.weight.quant_state)
                tensors[name] = kept.to(tensors[name].dtype).reshape(tensors[name].shape).cpu()
        save_file(tensors, out, metadata=source.metadata() or {"format": "pt"})
