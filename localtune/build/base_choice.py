"""The base of a build, settled once: `auto` becomes a base, a Hub id is pinned to its commit.

work/base-choice.json keeps both, so that a build that is resumed has the same base. The lock entry
of the stage `base` holds the commit, or the SHA-256 of a GGUF file.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from localtune.build.job import Build
from localtune.build.kept_base import asked_base
from localtune.config.stages import AUTO
from localtune.progress import Progress
from localtune.workspace import read_jsonl, write_json


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
