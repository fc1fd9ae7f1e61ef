"""Documents and a base -> what a build would take, before anything is built: the plan.

The documents are read and made into lessons as a build does; training is tried for a few steps, the
stages behind it in small. Nothing of it is kept, and no weights are fetched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune.build import exams, steps
from localtune.build.job import Build
from localtune.config.extras import FOUR_BIT, is_installed
from localtune.config.stages import AUTO, NF4, TINY, USUAL_HOURS, BuildConfig
from localtune.errors import ConfigError, InputError
from localtune.estimate import candidates, stages
from localtune.estimate import measured as measured_module
from localtune.estimate.advice import Advice, advise
from localtune.estimate.bill import energy, hosted
from localtune.estimate.electricity import carbon, power
from localtune.machine.cores import use_threads
from localtune.machine.usage import measured
from localtune.progress import Progress
from localtune.training.lora import Amount
from localtune.workspace import Workspace, read_jsonl

if TYPE_CHECKING:
    from localtune.estimate.machine import Machine
    from localtune.estimate.measured import Costs
    from localtune.estimate.shape import Base

Row = dict[str, Any]
READING_BAND = 0.25


@dataclass(frozen=True)
class EstimateRequest:
    """Prices and limits that the user gives for the estimate; 0 and "" mean not given."""

    country: str = ""
    price: float = 0.0
    watts: float = 0.0
    hosted_price: float = 0.0

    def check(self) -> None:
        """Raise ConfigError where a value can't be used."""
        for name in ("price", "watts", "hosted_price"):
            if getattr(self, name) < 0:
                flag = "--" + name.replace("_", "-")
                raise ConfigError(f"{flag} is below 0.", f"Change {flag}.")
        carbon(self.country)


@dataclass
class TrialReading:
    """What reading the documents came to: the scratch build, its rows, and what each stage took."""

    build: Build
    documents: list[Row]
    advice: Advice
    rows: list[measured_module.Estimate]
    problem: str = ""


def make_estimate(build: Build, asked: EstimateRequest, progress: Progress) -> Row:
    """Return the plan of a build, as `localtune plan --json` prints it. Raises LocaltuneError."""
    asked.check()
    if build.config.base.base != AUTO:
        from localtune.estimate.base import base_of

        base_of(build.config.base)  # what isn't there is said before anything is read
    threads = build.config.train.threads
    with tempfile.TemporaryDirectory() as scratch, use_threads(threads):
        read = _read(build, Path(scratch), progress)
        found = {"documents": _about(build.docs, read), "advice": asdict(read.advice)}
        if read.problem:
            return found | {"problems": [_problem(read.problem, "Use retrieval instead.")]}
        return found | _planned(build, read, asked, progress)


def _read(build: Build, scratch: Path, progress: Progress) -> TrialReading:
    """Run the stages as far as lessons in a folder of their own; what was read before is reused."""
    apart = replace(build, at=Workspace(scratch, build.at.name))
    apart.at.work.mkdir()
    if build.at.readings.is_file():
        shutil.copy2(build.at.readings, apart.at.readings)
    rows, problem = [], ""
    try:
        for name, call in (
            ("corpus", steps.corpus),
            ("exam", partial(exams.exam, exams.by_rule)),
            ("lessons", steps.lessons),
        ):
            progress.stage(name)
            with measured() as usage:
                call(apart, progress)
            row = measured_module.Estimate(name, usage.seconds, READING_BAND, usage.memory, True)
            rows.append(row)
    except InputError as error:
        if not apart.at.passages.exists():
            raise
        problem = error.message
    advice = advise(read_jsonl(apart.at.passages))
    if problem:
        advice = replace(advice, use="retrieval", why=(*advice.why, problem))
    return TrialReading(apart, list(read_jsonl(apart.at.documents)), advice, rows, problem)


def _about(docs: Path, read: TrialReading) -> Row:
    status = Counter(row["status"] for row in read.documents)
    languages = Counter(row["language"] for row in read.documents if row["language"])
    return {
        "folder": str(docs),
        "files": len(read.documents),
        **{state: status[state] for state in ("read", "skipped", "failed")},
        "words": read.advice.words,
        "tokens": sum(row["tokens"] for row in read.documents),
        "languages": dict(languages.most_common()),
    }


def _planned(build: Build, read: TrialReading, asked: EstimateRequest, progress: Progress) -> Row:
    """Choose the base, try it, and put everything together."""
    from localtune.estimate.base import base_of
    from localtune.estimate.costs import cost
    from localtune.estimate.machine import this_machine

    config = _with_base(build, read, progress)
    name, hours = config.base.base, config.train.hours or USUAL_HOURS
    progress.stage("machine", "a few steps of training")
    machine, at = this_machine(build.at.folder), read.build.at
    compared = _candidates(build, read, hours, machine, progress)
    best = candidates.choose(compared).entry.id
    if any(row.entry.id == name and row.precision for row in compared):
        config = replace(config, train=replace(config.train, precision=NF4))
    base = base_of(config.base)
    progress.stage("base", name)
    questions = sum(1 for _ in read_jsonl(at.exam))
    found = cost(config, base, at.lessons, questions, progress)
    rows = [*read.rows, *_targets(at, found), *found.rows]
    total = stages.whole(rows)
    problems = _problems(found, machine, total, hours, best)
    drawn = power(machine.cores, machine.memory, asked.watts)
    return {
        "machine": asdict(machine),
        "base": _base(base, found, best, build) | {"precision": config.train.precision},
        "candidates": [_candidate(row) for row in compared],
        **found.to_dict(),
        "stages": [asdict(row) | {"seconds": round(row.seconds, 2)} for row in rows],
        "total": {"seconds": round(total.seconds, 1), "band": total.band},
        "energy": energy(total, drawn, asked.country, asked.price),
        "hosted": hosted(found, asked.hosted_price) if asked.hosted_price else None,
        "problems": problems,
    }


def _with_base(build: Build, read: TrialReading, progress: Progress) -> BuildConfig:
    """Return the configuration with the base that a build would take."""
    from localtune.estimate.choose_base import choose_base

    if build.config.base.base != AUTO:
        return build.config
    choice = choose_base(read.documents, build.config, build.at.folder)
    choice.report(progress)
    chosen = replace(build.config.base, base=choice.base, revision=choice.revision)
    return replace(build.config, base=chosen)


def _targets(at: Workspace, found: Costs) -> list[measured_module.Estimate]:
    from localtune.estimate.targets import soft_targets

    return soft_targets(
        read_jsonl(at.lessons),
        found.lessons.tokens,
        found.training.step,
        found.recipe.rows * found.lessons.row,
        found.training.around,
    )


def _candidates(
    build: Build, read: TrialReading, hours: float, machine: Machine, progress: Progress
) -> list[candidates.Candidate]:
    """Compare the catalogue's bases, told from a few steps of one of them."""
    from localtune.estimate.costs import reference
    from localtune.estimate.local_bases import local_bases
    from localtune.estimate.shape import Base

    one = candidates.reference()
    known = reference(
        build.config, read.build.at.lessons, Base(one.id, one.config, None, True, one), progress
    )
    lessons = known.lessons
    train = replace(build.config.train, max_length=lessons.row)
    work = candidates.Work(train, Amount(lessons.corpus, lessons.rows), lessons.answers)
    here, offline = frozenset((TINY, *local_bases())), build.config.base.offline
    limits = candidates.Limits(machine, hours, here, offline, is_installed(FOUR_BIT))
    return candidates.compare(work, known.training, known.held, limits)


def _base(base: Base, found: Costs, best: str, build: Build) -> Row:
    entry, chosen = base.entry, build.config.base.base == AUTO
    why = "the best on this machine" if chosen else "as --base says"
    return {
        "id": base.id,
        "parameters": found.shape.parameters,
        "licence": entry.licence if entry else "",
        "languages": entry.languages if entry else "",
        "gated": bool(entry and entry.gated),
        "here": base.here,
        "why": why,
        "recommended": best,
    }


def _candidate(row: candidates.Candidate) -> Row:
    entry = row.entry
    return {
        "id": entry.id,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "licence_binds": entry.binds,
        "languages": entry.languages,
        "context": entry.context,
        "template": entry.template,
        "recall": entry.recall or None,
        "gated": entry.gated,
        "here": row.here,
        "train_seconds": round(row.seconds),
        "memory": row.memory,
        "disk": row.disk,
        "band": candidates.BAND,
        "precision": row.precision,
        "why_not": row.why_not,
    }


def _problems(
    found: Costs, machine: Machine, total: measured_module.Estimate, hours: float, best: str
) -> list[Row]:
    """Say what stands in the way of this build, each with what to do."""
    listed, base = [], found.base
    needs = found.training.graphics_memory or found.training.memory
    there = machine.card_memory if found.training.graphics_memory else machine.memory
    if needs > there:
        said = f"{base.id} needs {needs / 1e9:.1f} GB of memory; there are {there / 1e9:.1f} GB."
        less = " Or keep the base in 4 bits: --precision nf4, with the extra 4bit."
        less = less if found.training.graphics_memory and found.precision != NF4 else ""
        hint = f"Choose --base {best}, which fits, or lower train.batch_tokens.{less}"
        listed.append(_problem(said, hint))
    if found.bytes["peak"] > machine.free_disk:
        said = f"{found.bytes['peak'] / 1e9:.1f} GB of disk are needed"
        said += f"; {machine.free_disk / 1e9:.1f} GB are free."
        listed.append(_problem(said, "Free some, or build on another disk with --out."))
    if total.seconds > hours * 3600:
        said = f"It takes about {total.seconds / 3600:.1f} h, more than --hours {hours:g}."
        listed.append(_problem(said, f"Choose --base {best}, fewer --steps, or let it run."))
    if base.entry and base.entry.gated and not base.here:
        said = f"{base.id} is gated ({base.entry.licence})."
        listed.append(_problem(said, "Accept its licence on the Hub, then `hf auth login`."))
    if not base.here:
        said = f"{base.id} isn't on this machine: {found.bytes['download'] / 1e9:.1f} GB to fetch."
        listed.append(_problem(said, "The first build needs a network; later ones don't."))
    return listed


def _problem(message: str, hint: str) -> Row:
    return {"message": message, "hint": hint}
