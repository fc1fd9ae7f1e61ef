"""What was measured in small -> seconds and memory of every stage of a whole build."""

from __future__ import annotations

from localtune.config.stages import BuildConfig
from localtune.estimate.measured import Estimate, Training, Yardstick
from localtune.estimate.shape import Shape

PROMPTS = 16  # that `verify` compares (evaluation/faithful.py)
BAND = 0.5  # of stages that are told of a small model
CHECKED = 60  # tokens of a prompt and its answer, about
FLOAT = 4  # bytes of a weight where base and adapter are merged


def training(steps: int, checks: int, found: Training, before: float) -> Estimate:
    """Return what `train` takes; `before` are the seconds until the first step.

    The questions set aside are asked at so many `checks`.
    """
    steps_alone, around = steps * found.step + checks * found.check, before + found.around
    whole = steps_alone + around
    off = (steps_alone * found.band + around * BAND) / whole
    return Estimate("train", whole, round(off, 2), found.memory)


def behind_training(
    shape: Shape, found: Yardstick, config: BuildConfig, questions: int, said: float, held: int
) -> list[Estimate]:
    """Return the stages behind `train` as far as `grade`; `said` is an answer's tokens.

    `held` are the bytes that the process holds before. What a stage takes grows with the weights.
    """
    times = shape.parameters / found.parameters
    context = min(512, config.grade.context)
    ask = {
        level: times * (found.prompt[level] + found.token[level] * said) for level in found.prompt
    }
    longest = times * (found.prompt["BF16"] + found.token["BF16"] * config.grade.max_answer_tokens)
    merged, bf16 = held + FLOAT * shape.parameters, held + 2 * shape.parameters
    tokens = config.quantize.imatrix_tokens
    verify = times * found.load + PROMPTS * (
        ask["BF16"] + times * found.imatrix_token * min(CHECKED, context)
    )
    rows = [
        Estimate("export", times * found.export, BAND),
        Estimate("verify", verify, 2 * BAND, merged + 2 * shape.parameters),
    ]
    if tokens:
        seconds = times * (found.load + found.imatrix_token * tokens)
        rows.append(Estimate("imatrix", seconds, BAND, merged))
    for level, seconds in found.quantize.items():
        rows.append(Estimate(f"quantize {level}", found.start + times * seconds, BAND))
    rows.append(Estimate("grade base", times * found.export + questions * longest, 1.0, bf16))
    for level in found.quantize:
        rows.append(Estimate(f"grade {level}", questions * ask[level], 1.0))
    return rows


def whole(rows: list[Estimate]) -> Estimate:
    """Return all stages as one: seconds added, errors added as if they went one way."""
    seconds = sum(row.seconds for row in rows)
    off = sum(row.seconds * row.band for row in rows) / max(seconds, 1e-9)
    return Estimate("all", seconds, round(off, 2), max((row.memory for row in rows), default=0))
