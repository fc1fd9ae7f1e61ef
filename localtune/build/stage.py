"""One stage of a build, and the lock file that says whether it must run.

A stage is skipped if and only if the entry it would write equals the stored one. An entry holds
the stage's version, its configuration, the versions of the libraries that matter, and the SHA-256
of its inputs and outputs. Knows nothing of what a stage does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localtune.build.hashes import ABSENT, UNREAD, Hashes
from localtune.config.extras import library_version
from localtune.machine.usage import Usage
from localtune.progress import Progress
from localtune.workspace import load_json, remove, write_json

Entry = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A step from files to files. `scratch` is a folder only a half-done run has use for."""

    name: str
    version: int
    config: dict[str, Any]
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    libraries: tuple[str, ...]
    run: Callable[[Progress], None]
    scratch: Path | None = None


@dataclass(frozen=True)
class Standing:
    """Where a stage stands, and why.

    `state` is "done", "again" (its entry would differ), "new" (it has never finished), "waits"
    (it stands unless a stage before it, which must run, changes its inputs) or "unknown" (a file is
    too large to be compared).
    """

    stage: str
    state: str
    why: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass
class Lock:
    """The finished stages: {stage: {"entry": Entry, "seconds": float, "memory": bytes, …}}."""

    file: Path
    hashes: Hashes
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.finished = _read(self.file)

    def before(self, stage: Stage) -> Entry:
        """Return what is known of an entry before the stage has run."""
        return {
            "version": stage.version,
            "config": stage.config,
            "libraries": {name: library_version(name) for name in stage.libraries},
            "inputs": self._sums(stage.inputs),
        }

    def entry(self, stage: Stage) -> Entry:
        """Return the entry this stage would write if it ended now."""
        return {**self.before(stage), "outputs": self._sums(stage.outputs)}

    def standing(self, stage: Stage) -> Standing:
        """Compare the entry the stage would write with the stored one."""
        stored = self.finished.get(stage.name)
        if stored is None:
            return Standing(stage.name, "new", ("it has not been run to its end",))
        current = self.entry(stage)
        why = tuple(differences(stored["entry"], current))
        unread = UNREAD in (*current["inputs"].values(), *current["outputs"].values())
        state = "unknown" if unread else "again" if why else "done"
        return Standing(stage.name, state, why, stored["seconds"])

    def record(self, stage: Stage, usage: Usage) -> None:
        """Write the entry of a stage that has ended; the last thing a stage does."""
        self.finished[stage.name] = {"entry": self.entry(stage), **usage.rounded()}
        write_json(self.file, self.finished)
        self.hashes.save()

    def prepare_scratch(self, stage: Stage) -> None:
        """Empty the scratch folder unless it was left by this same stage on these same inputs."""
        if stage.scratch is None:
            return
        marker, wanted = stage.scratch / "made-for.json", self.before(stage)
        if not marker.exists() or _read(marker) != wanted:
            remove(stage.scratch)
            write_json(marker, wanted)

    def _sums(self, paths: dict[str, Path]) -> dict[str, str]:
        return {name: self._sum(path) for name, path in paths.items()}

    def _sum(self, path: Path) -> str:
        return self.hashes.tree(path) if path.is_dir() else self.hashes.file(path)


def differences(stored: Entry, current: Entry) -> Iterable[str]:
    """Say, a clause each, what makes two entries differ."""
    if stored["version"] != current["version"]:
        yield f"the stage itself changed (version {stored['version']} -> {current['version']})"
    for kind, word in (("config", "option"), ("libraries", "library")):
        for name, was, now in _changes(stored[kind], current[kind]):
            yield f"{word} {name} changed ({_shown(was)} -> {_shown(now)})"
    for kind, word in (("inputs", "input"), ("outputs", "output")):
        for name, was, now in _changes(stored[kind], current[kind]):
            yield f"{word} {name} {_fate(was, now)}"


def _changes(stored: dict[str, Any], current: dict[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*stored, *current]):
        if stored.get(name) != current.get(name):
            yield name, stored.get(name), current.get(name)


def _fate(was: str | None, now: str | None) -> str:
    if now == ABSENT:
        return "is missing"
    if now == UNREAD:
        return "is too large to compare"
    if was is None:
        return "is new"
    return "is no longer used" if now is None else "changed"


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def seconds_of_stages(lock: Path) -> dict[str, float]:
    """Return what each finished stage of a lock file took."""
    return {name: kept["seconds"] for name, kept in _read(lock).items()}


def _read(file: Path) -> dict[str, Any]:
    """Read a JSON object; a lost or spoilt file means that nothing has finished."""
    try:
        value = load_json(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
