"""The base of a build, settled once: `auto` becomes a base, a Hub id is pinned to its commit.

work/base-choice.json keeps both, so that a build that is resumed has the same base. The lock entry
of the stage `base` holds the commit, or the SHA-256 of a GGUF file.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from localtune.bases.sources import origin
from localtune.build.steps import Build
from localtune.config.stages import AUTO, BaseConfig, BuildConfig
from localtune.errors import BaseModelError
from localtune.progress import Progress
from localtune.workspace import Workspace, read_json, read_jsonl, write_json


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


def settle(build: Build, progress: Progress) -> Build:
    """Return the build with its base chosen and pinned, and keep the choice.

    Reads documents.jsonl. Changes nothing where there is nothing to choose or to pin.
    """
    from localtune.bases.fetch import COMMIT, commit_of
    from localtune.estimate.choose_base import Choice, choose_base

    base = build.config.base
    if base.base == AUTO:
        choice = choose_base(read_jsonl(build.at.documents), build.config, build.at.folder)
    elif base.on_hub() and not COMMIT.fullmatch(base.revision):
        choice = Choice(base.base, commit_of(base) or base.revision)
    else:
        return build
    choice.report(progress)
    write_json(build.at.base_choice, {"asked": asked_base(base), **asdict(choice)})
    chosen = replace(base, base=choice.base, revision=choice.revision)
    return replace(build, config=replace(build.config, base=chosen))


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
