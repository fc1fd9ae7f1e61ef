"""The models of a build: what it ships, loaded, and its untuned base as a GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from localtune.bases.sources import gguf_of
from localtune.build.job import Build
from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import BaseModelError
from localtune.progress import Progress

if TYPE_CHECKING:
    from localtune.llama.llama import Model


def load(build: Build, shipped: Path, context: int) -> Model:
    """Load a file that a build ships, with its base where it is an adapter.

    Raises RuntimeFileError, and BaseModelError where the base is gone.
    """
    from localtune.llama.llama import Model

    gguf, adapter = files_of(build, shipped)
    template = PLAIN_TEMPLATE if adapter else ""
    return Model(gguf, context=context, adapter=adapter, template=template)


def files_of(build: Build, shipped: Path) -> tuple[Path, Path | None]:
    """Return the GGUF of a model and of the adapter upon it, None where the model is whole.

    Raises BaseModelError where the base is gone.
    """
    if not build.config.export.adapter_only:
        return shipped, None
    return base_gguf(build), shipped


def base_gguf(build: Build) -> Path:
    """Return the GGUF that a build's adapter lies upon. Raises BaseModelError."""
    from localtune.export.unpack.gguf_source import SOURCE

    linked = build.at.base / SOURCE
    found = linked.resolve() if linked.exists() else gguf_of(build.config.base)
    if found is None:
        raise BaseModelError(
            f"The base {build.config.base.base} of this build is gone.",
            "Put it back, or build again with another --base.",
        )
    return found


def convert_base(build: Build, out: Path, progress: Progress, kind: str = "bf16") -> None:
    """Write the untuned base as a GGUF, with a plain chat template where it has none."""
    from localtune.export.convert import convert

    at = build.at
    convert(
        at.base,
        out,
        kind=kind,
        name=at.name,
        template=PLAIN_TEMPLATE,
        offline=build.config.base.offline,
        progress=progress,
    )
