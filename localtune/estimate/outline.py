"""A base's shape -> the bytes of its master and levels, from llama.cpp's own dry run.

The master that is asked about is a header with a hole behind it: no weight is read or written.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from localtune.config.stages import QuantizeConfig
from localtune.errors import LocaltuneError
from localtune.estimate.shape import Config, write_base

BITS = {"F16": 16.0, "BF16": 16.0, "F32": 32.0}  # a weight, of levels without a digit of their own


def sizes(config: Config, parameters: int, chosen: QuantizeConfig) -> dict[str, int]:
    """Return {"master": bytes, level: bytes, …}; roughly, where the family isn't one of ours."""
    try:
        return _exact(config, chosen)
    except LocaltuneError:
        rough = {level: _bits(level) * parameters / 8 for level in chosen.levels}
        return {"master": 2 * parameters} | {level: round(size) for level, size in rough.items()}


def _exact(config: Config, chosen: QuantizeConfig) -> dict[str, int]:
    from localtune.export.write.master import export_outline
    from localtune.llama.quantize import Quantizer
    from localtune.llama.quantize_dry_run import LevelSettings

    with tempfile.TemporaryDirectory() as scratch, Quantizer() as quantizer:
        layers = config.get("text_config", config)["num_hidden_layers"]
        base = write_base(config, layers, Path(scratch) / "base")
        master = Path(scratch) / "master.gguf"
        export_outline(base, master)
        found = {"master": master.stat().st_size}
        for level in chosen.levels:
            recipe = LevelSettings(level)
            found[level] = quantizer.dry_run(master, recipe).size
    return found


def _bits(level: str) -> float:
    """Return about how many bits a weight has at a level: its digit and one more."""
    digits = [int(letter) for letter in level if letter.isdigit()]
    return BITS.get(level, digits[0] + 1.0 if digits else 16.0)
