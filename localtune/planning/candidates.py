"""Every base of the catalogue beside this machine: would it fit, how long, which to take.

One base of the catalogue is trained for a few steps; the others are told from it: time by their
operations, memory by their weights. That is rough, and said so; the base that is chosen is measured
itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from localtune.planning.catalogue import Entry, entries, find
from localtune.planning.machine import Machine
from localtune.planning.shape import Shape, shape_of
from localtune.planning.training import Training

REFERENCE = "HuggingFaceTB/SmolLM2-135M-Instruct"
RESERVE = 0.85  # of the memory may be used
BAND = 0.4  # of what is told from another base


@dataclass(frozen=True)
class Work:
    """What is asked of training: optimiser steps of so many tokens, the share of them answers."""

    steps: int
    tokens: int
    answers: float
    rank: int


@dataclass(frozen=True)
class Candidate:
    """A base with what training it takes here: seconds, bytes (of the card where there is one).

    `why_not` is empty where it fits and may be chosen.
    """

    entry: Entry
    seconds: float
    memory: int
    disk: int
    here: bool
    why_not: str


def reference() -> Entry:
    """Return the base that the others are told from."""
    found = find(REFERENCE)
    assert found
    return found


def compare(
    work: Work,
    measured: Training,
    held: int,
    machine: Machine,
    hours: float,
    here: frozenset[str],
    offline: bool,
) -> list[Candidate]:
    """Return every base with its cost. `held` are bytes that don't grow with the base.

    `here` are the ids of those that needn't be fetched.
    """
    known = shape_of(reference().config)
    flops = known.step_flops(work.tokens, round(work.answers * work.tokens), work.rank)
    used = measured.graphics_memory or measured.memory - held
    rows = []
    for entry in entries():
        shape = shape_of(entry.config)
        own = shape.step_flops(work.tokens, round(work.answers * work.tokens), work.rank)
        seconds = work.steps * measured.step * own / flops
        memory = _memory(shape, known, used) + (0 if measured.graphics_memory else held)
        disk = disk_of(shape, entry.id in here)
        why_not = _why_not(entry, seconds, memory, disk, machine, hours, entry.id in here, offline)
        rows.append(Candidate(entry, seconds, memory, disk, entry.id in here, why_not))
    return rows


def _memory(shape: Shape, known: Shape, used: int) -> int:
    """Return bytes told from another base: half with the weights, half with what layers keep.

    A base's weights grow as width x width x layers, what is kept for the way back as width x
    layers; the embedding is kept once.
    """
    weights = shape.parameters / known.parameters
    kept = shape.hidden * shape.layers / (known.hidden * known.layers)
    return round(used * (0.3 * weights + 0.7 * kept))


def disk_of(shape: Shape, here: bool) -> int:
    """Return about the bytes a build writes: a download, the master, two levels, LoRA thrice."""
    download = 0 if here else 2 * shape.parameters
    return round(download + 2 * shape.parameters + 1.7 * shape.parameters)


def _why_not(
    entry: Entry,
    seconds: float,
    memory: int,
    disk: int,
    machine: Machine,
    hours: float,
    here: bool,
    offline: bool,
) -> str:
    there = machine.card_memory or machine.memory
    if memory > RESERVE * there:
        return f"needs {memory / 1e9:.0f} GB of memory"
    if disk > machine.free_disk:
        return f"needs {disk / 1e9:.0f} GB of disk"
    if seconds > hours * 3600:
        return f"takes longer than {hours:g} h"
    if offline and not here:
        return "isn't on this machine"
    if entry.note:
        return entry.note
    return "gated: accept its licence on the Hub first" if entry.gated else ""


def choose(rows: list[Candidate]) -> Candidate:
    """Return the largest base that fits, the built-in one where no other does."""
    fitting = [row for row in rows if not row.why_not]
    built_in = next(row for row in rows if row.entry.id == "tiny")
    return max(fitting, key=lambda row: row.entry.parameters, default=built_in)
