"""Levels of any GGUF: which files are made, whether they fit, and what a person is told of them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from localtune.config.stages import QuantizeConfig
from localtune.errors import ConfigError
from localtune.formatting import plural, size
from localtune.llama.level_names import LEVELS, check_levels
from localtune.llama.quantize import Quantizer
from localtune.llama.quantize_dry_run import DryRun, Fallback, LevelSettings
from localtune.progress import Progress
from localtune.workspace import check_room

NAMED = 3  # tensors that a warning names
ENDING = re.compile(rf"-(?:{'|'.join(LEVELS)})$", re.IGNORECASE)  # "model-BF16"


def quantize_file(
    source: Path, chosen: QuantizeConfig, out: Path | None, progress: Progress
) -> list[Path]:
    """Write levels of a GGUF as NAME-LEVEL.gguf into `out`, or beside it; return the files.

    All are checked before the first is begun. Raises ConfigError, RuntimeFileError, DiskFullError.
    """
    check_levels(chosen.levels, "--to")
    folder = out.expanduser() if out else source.parent
    name = ENDING.sub("", source.stem)
    files = {level: folder / f"{name}-{level}.gguf" for level in chosen.levels}
    matrix = Path(chosen.imatrix).expanduser() if chosen.imatrix else None
    recipes = {level: LevelSettings(level, matrix) for level in chosen.levels}
    with Quantizer() as quantizer:
        plans = {level: quantizer.dry_run(source, recipe) for level, recipe in recipes.items()}
        for file in files.values():
            _check_apart(source, file)
        check_room(_existing(folder), sum(plan.size for plan in plans.values()))
        for level, recipe in recipes.items():
            write_level(quantizer, source, files[level], recipe, progress)
            progress.note(f"{files[level].name}, {size(plans[level].size)}")
    return list(files.values())


def write_level(
    quantizer: Quantizer, source: Path, out: Path, recipe: LevelSettings, progress: Progress
) -> DryRun:
    """Write one level, and warn of what its tensors' widths made of it.

    Raises RuntimeFileError, ConfigError, DiskFullError.
    """
    plan = quantizer.dry_run(source, recipe)
    check_room(_existing(out.parent), plan.size)
    if plan.fallbacks:
        progress.warn(told(recipe.level, plan))
    return quantizer.write(source, out, recipe, progress)


def told(level: str, plan: DryRun) -> str:
    """Say which tensors have another type than the level has for them, and what that costs."""
    kinds = Counter(_kind(fallback) for fallback in plan.fallbacks)
    named = [f"{n} as {instead} instead of {wanted}" for (instead, wanted), n in kinds.items()]
    names = [fallback.tensor.name for fallback in plan.fallbacks]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    extra = sum(fallback.extra for fallback in plan.fallbacks)
    cost = f"{size(extra)} larger" if extra >= 0 else f"{size(-extra)} smaller, and coarser"
    return (
        f"{level}: the widths of {plural(len(names), 'tensor')} don't divide into its blocks, so "
        f"that they are stored otherwise: {'; '.join(named)} ({', '.join(names[:NAMED])}{more}). "
        f"The file of {size(plan.size)} is {cost} for it."
    )


def _kind(fallback: Fallback) -> tuple[str, str]:
    return fallback.tensor.becomes.upper(), fallback.wanted.upper()


def _check_apart(source: Path, out: Path) -> None:
    if out.exists() and out.samefile(source):
        raise ConfigError(
            f"{out} is the file that it would be made from.",
            "Choose another level, or another folder with --out.",
        )


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest above it that is there already."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
