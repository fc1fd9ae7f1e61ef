"""The private-data receipt of shipped files: whether private data was replaced before training.

The lock file links a level to its master, the master to its LoRA weights, those to the lessons and
the lessons to the passages, each by SHA-256; lessons and passages say what they were made with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localtune.build.hashes import ABSENT, Hashes
from localtune.build.job import Build
from localtune.workspace import read_json

KEPT = "they were made with --keep-private"
MISSING = "the build's records are gone, as `localtune clean` removes them"
UNKNOWN = "the build's records are not those of these files"


def doubt(build: Build, levels: tuple[str, ...]) -> str:
    """Return why levels of a build may hold private data, "" where it was replaced.

    The files are read whole: sums that are remembered may be those of other files.
    """
    if build.config.corpus.keep_private:
        return KEPT
    if not build.at.lock.exists():
        return MISSING
    kept = read_json(build.at.lock)
    entries = {stage: finished["entry"] for stage, finished in kept.items()}
    hashes = Hashes()
    reasons = [_of_level(build, level, entries, hashes) for level in levels]
    return next((reason for reason in reasons if reason), "")


def _of_level(build: Build, level: str, entries: dict[str, Any], hashes: Hashes) -> str:
    at = build.at
    shipped, files = at.level_gguf(level), (at.master, at.adapter, at.lessons, at.passages)
    stages = (f"quantize {level}", "export", "train", "lessons", "corpus")
    if not all(stage in entries for stage in stages):
        return UNKNOWN
    if any(entries[stage]["config"].get("keep_private") for stage in ("lessons", "corpus")):
        return KEPT
    names = [_name(at.folder, path) for path in files]
    links = zip(stages, stages[1:], names, strict=False)
    same = all(
        entries[after]["inputs"].get(name) == entries[before]["outputs"].get(name, ABSENT)
        for after, before, name in links
    )
    made = entries[stages[0]]["outputs"].get(_name(at.folder, shipped))
    return "" if same and made == hashes.file(shipped) else UNKNOWN


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
