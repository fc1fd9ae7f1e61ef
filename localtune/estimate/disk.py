"""What a build writes: bytes by artefact. Sizes of GGUF files are llama.cpp's own (outline.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localtune.estimate.shape import Shape

if TYPE_CHECKING:
    from localtune.training.lora import Recipe

CHECKPOINTS = 3  # the newest two and the best are kept while training runs
LORA = 4  # bytes of a weight; AdamW keeps two more of them in a checkpoint


def disk(
    shape: Shape,
    recipe: Recipe,
    tokens: int,
    gguf: dict[str, int],
    here: bool,
    four_bit: bool = False,
) -> dict[str, int]:
    """Return bytes by artefact, and the `peak`: the most that lies there at one time.

    `tokens` are those of all lessons, `gguf` is of outline.sizes. Checkpoints are gone when the
    master is written; the untuned base is a BF16 file for as long as it is asked the exam. A base
    in 4 bits is written as it was trained.
    """
    adapter = LORA * shape.adapter(recipe.rank, recipe.layers)
    parts = {
        "download": 0 if here else 2 * shape.parameters,
        "adapter": adapter,
        "checkpoints": CHECKPOINTS * 3 * adapter,
        "layer inputs": 2 * tokens * shape.hidden if recipe.layers < shape.layers else 0,
        **({"4-bit base": 2 * shape.parameters} if four_bit else {}),
        **gguf,
        "untuned base": gguf["master"],
    }
    stays = parts["download"] + adapter + sum(gguf.values()) + parts.get("4-bit base", 0)
    training = parts["download"] + adapter + parts["checkpoints"] + parts["layer inputs"]
    return parts | {"stays": stays, "peak": max(training, stays + gguf["master"])}
