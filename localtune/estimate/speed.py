"""A rough forecast of training without trying it: one matrix product, and figures measured once.

`localtune plan` measures more; this takes a second, before anything else of a build is known.
"""

from __future__ import annotations

import time

from localtune.config.stages import TrainConfig
from localtune.estimate.candidates import Work, reference
from localtune.estimate.measured import Training
from localtune.estimate.shape import shape_of
from localtune.training.lora import USUAL_ROW_TOKENS, Amount

# docs/decisions/0034-recipe.md, SmolLM2-135M-Instruct on tests/third_organisation: 292 steps of
# 1,024 tokens are 7 passes over the lessons about 2,910 tokens of documents.
LESSON_TOKENS_PER_TOKEN = 292 * 1024 / 7 / 2910
ANSWER_SHARE = 0.3  # of the lessons' tokens; assumed, and it matters little
EFFICIENCY = 0.47  # of the matrix product's speed; on a graphics card not measured
# `localtune plan` on the same documents: peak while SmolLM2-135M trains in BF16, and what PyTorch
# and the other libraries hold before it.
REFERENCE_MEMORY, LIBRARIES_MEMORY = 2_215_000_000, 410_000_000
BAND = 0.4
# docs/benchmarks.md, "Lessons by a teacher": 30 min 57 s for exam and lessons of 10.8 kB, a teacher
# of 1.5B on 2 cores. Another writer or a graphics card: not measured.
WRITING_SECONDS_PER_BYTE = 1857 / 10_800
CPU_WIDTH, CARD_WIDTH, TRIES = 1024, 4096, 5  # of the square matrices, and how often


def work_of(tokens: int, config: TrainConfig) -> Work:
    """Return what is to be learned of documents of so many tokens."""
    lessons = LESSON_TOKENS_PER_TOKEN * tokens
    row = config.max_length or USUAL_ROW_TOKENS
    chosen = TrainConfig(**{**vars(config), "max_length": row})
    return Work(chosen, Amount(tokens, round(lessons / row)), ANSWER_SHARE)


def rough_training(work: Work) -> Training:
    """Return what training the catalogue's reference base takes on this machine, roughly.

    Raises TrainingError where the chosen device isn't there.
    """
    from localtune.training.machine import in_bf16, on_gpu

    entry = reference()
    weight_bytes = 2 if in_bf16(work.config) else 4
    memory = REFERENCE_MEMORY + (weight_bytes - 2) * entry.parameters
    on_card = on_gpu(work.config)
    return Training(
        step=work.step_flops(shape_of(entry.config)) / (EFFICIENCY * _flops(work.config)),
        band=BAND,
        check=0.0,
        around=0.0,
        memory=memory,
        graphics_memory=memory - LIBRARIES_MEMORY if on_card else 0,
        weight_bytes=weight_bytes,
        precision="bfloat16" if weight_bytes == 2 else "float32",
        layers=(),
    )


def _flops(config: TrainConfig) -> float:
    """Measure the operations a second of a matrix product in the number format of training."""
    import torch

    from localtune.training.machine import in_bf16, on_gpu

    device, width = ("cuda", CARD_WIDTH) if on_gpu(config) else ("cpu", CPU_WIDTH)
    kind = torch.bfloat16 if in_bf16(config) else torch.float32
    matrix = torch.ones(width, width, dtype=kind, device=device)
    seconds = []
    for _ in range(TRIES):
        began = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for a graphics card
        seconds.append(time.perf_counter() - began)
    return 2.0 * width**3 / min(seconds)
