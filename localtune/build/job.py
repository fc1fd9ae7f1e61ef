"""A build: its documents, its configuration and its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localtune.config.stages import BuildConfig
from localtune.workspace import Workspace

AGAIN = "Run the `localtune build` command of this build again, with the same options."
ADAPTER = "adapter"  # the level's name if only the adapter is shipped


@dataclass(frozen=True)
class Build:
    """What a build is made from, how, and where."""

    docs: Path
    config: BuildConfig
    at: Workspace

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the levels that are shipped, or the adapter in their place."""
        adapter_only = self.config.export.adapter_only
        return (ADAPTER,) if adapter_only else self.config.quantize.levels
