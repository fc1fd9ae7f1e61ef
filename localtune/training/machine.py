"""What this machine trains on, and in which number format."""

from __future__ import annotations

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer

from localtune.config.stages import TrainConfig
from localtune.errors import TrainingError


def on_gpu(config: TrainConfig) -> bool:
    """Whether training runs on a GPU. Raises TrainingError where it is to and there is none."""
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        built = torch.version.cuda
        raise TrainingError(
            "--device is cuda, but PyTorch finds no GPU"
            + (f" (it is built for CUDA {built})." if built else ": it is built for the CPU only."),
            "Leave --device away to train on the CPU; or see what `nvidia-smi` says, and install "
            "the PyTorch for your GPU: https://pytorch.org/get-started/locally",
        )
    return there and config.device != "cpu"


def in_bf16(config: TrainConfig) -> bool:
    """Whether training multiplies in bfloat16: where the hardware does, unless it is chosen.

    Elsewhere that is slower than float32. Weights in 4 bits are multiplied so too.
    """
    if config.precision in ("bf16", "float32"):
        return config.precision == "bf16"
    if on_gpu(config):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def halve_what_is_frozen(model: PeftModel) -> None:
    """Keep frozen matrices in bfloat16, where they are multiplied in it anyway.

    The values are the same, the memory half, and nothing is converted at each use.
    """
    for layer in model.modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), torch.nn.Linear):
            layer.get_base_layer().to(torch.bfloat16)
