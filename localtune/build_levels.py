"""Levels of a build folder: made anew from its master, or compared with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from localtune.levels import quantize_file
from localtune.opening import open_build
from localtune.pipeline import check_before, requantize, run_some
from localtune.progress import Progress
from localtune.steps import imatrix_of


def quantize_build(
    folder: Path, options: dict[str, Any], out: Path | None, progress: Progress
) -> list[Path]:
    """Make levels of a build; return their files.

    `options` are those of [quantize] that were given; the others are the build's. Without `out`
    the files become the build's own. Raises LocaltuneError.
    """
    build = open_build(folder)
    chosen = replace(build.config.quantize, **options)
    if out is None:
        return requantize(build, chosen, progress)
    build = replace(build, config=replace(build.config, quantize=chosen))
    check_before(build)
    with build.at.hold():
        run_some(build, ["imatrix"], progress)
    matrices = {imatrix_of(build, level) for level in chosen.levels} - {None}
    matrix = str(matrices.pop()) if matrices else ""
    return quantize_file(build.at.master, replace(chosen, imatrix=matrix), out, progress)
