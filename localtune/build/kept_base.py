"""The base that was chosen for a build before, and whether it is still on this machine."""

from __future__ import annotations

from dataclasses import replace

from localtune.bases.sources import origin
from localtune.config.stages import AUTO, BaseConfig, BuildConfig
from localtune.errors import BaseModelError
from localtune.workspace import Workspace, read_json


def kept(config: BuildConfig, at: Workspace) -> BuildConfig:
    """Return the configuration with the base that an earlier run settled on for the same --base.

    Raises BaseModelError where a base that was chosen is gone.
    """
    row = read_json(at.base_choice) if at.base_choice.is_file() else None
    if not isinstance(row, dict) or row.get("asked") != asked_base(config.base):
        return config
    base = replace(config.base, base=str(row.get("base")), revision=str(row.get("revision")))
    if config.base.base == AUTO:
        _check_here(base)
        base.check()
    elif base.base != config.base.base:  # written by somebody else
        return config
    return replace(config, base=base)


def asked_base(base: BaseConfig) -> dict[str, str]:
    return {"base": base.base, "revision": base.revision}


def _check_here(base: BaseConfig) -> None:
    """Raise BaseModelError unless a base is on this machine."""
    from localtune.bases.fetch import cached

    if not (origin(base) or (base.on_hub() and cached(base))):
        raise BaseModelError(
            f"The base {base.base} that was chosen for this build is no longer on this machine.",
            "Put it back, or name a base with --base.",
        )
