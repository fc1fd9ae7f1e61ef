"""Every base of the catalogue beside this machine: would it fit, how long, which to take.

One base of the catalogue is trained for a few steps; the others are told from it: time by their
operations, memory by their weights. That is rough, and said so; the base that is chosen is measured
itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localtune.bases.catalogue import CatalogueEntry, entries, find
from localtune.config.stages import AUTO, NF4, NF4_BYTES, TINY, TrainConfig
from localtune.estimate.machine import Machine
from localtune.estimate.measured import Training
from localtune.estimate.shape import Shape, shape_of
from localtune.training.lora import Amount, Recipe, recipe

REFERENCE = "HuggingFaceTB/SmolLM2-135M-Instruct"
RESERVE = 0.85  # of the memory may be used
LOGIT = 12  # bytes: as bfloat16, as float32, and twice on the way back
WITH_EXTRA = '; pip install "localtune[4bit]"'
BAND = 0.4  # of what is told from another base


@dataclass(frozen=True)
class Work:
    """What is to be learned: lessons in packed rows, the share of their tokens that is answers.

    `config.max_length` is the length of a row.
    """

    config: TrainConfig
    amount: Amount
    answers: float

    def recipe(self, shape: Shape) -> Recipe:
        """Return what training a base of a shape would use."""
        return recipe(self.config, self.amount, shape.hidden, shape.layers)

    def step_tokens(self, made: Recipe) -> int:
        """Return the tokens of one optimiser step."""
        return made.rows * self.config.max_length

    def step_flops(self, shape: Shape) -> float:
        """Return the operations of one optimiser step."""
        made = self.recipe(shape)
        tokens = self.step_tokens(made)
        return shape.step_flops(tokens, round(self.answers * tokens), made.rank, made.layers)


@dataclass(frozen=True)
class Candidate:
    """A base with what training it takes here: seconds, bytes (of the card where there is one).

    `why_not` is empty where it fits and may be chosen. `precision` is NF4 where it fits in 4 bits
    only, else "".
    """

    entry: CatalogueEntry
    seconds: float
    memory: int
    disk: int
    here: bool
    why_not: str
    precision: str = ""


def reference() -> CatalogueEntry:
    """Return the base that the others are told from."""
    found = find(REFERENCE)
    assert found
    return found


@dataclass(frozen=True)
class Limits:
    """What a base has to fit: the machine, hours of training, and what may be fetched.

    `here` are the ids of bases that needn't be fetched. `four_bit` says that the extra for training
    in 4 bits is installed.
    """

    machine: Machine
    hours: float
    here: frozenset[str]
    offline: bool = False
    four_bit: bool = False


def compare(
    work: Work,
    measured: Training,
    held: int,
    limits: Limits,
    others: Iterable[CatalogueEntry] = (),
) -> list[Candidate]:
    """Return every base with its cost: those of the catalogue, then `others`.

    `held` are bytes that don't grow with the base. On a graphics card 4 bits are taken where 16
    don't fit and the extra for it is installed; where it isn't, `why_not` names it.
    """
    known = shape_of(reference().config)
    flops = work.step_flops(known)
    used = measured.graphics_memory or measured.memory - held
    machine, four_bit = limits.machine, limits.four_bit
    rows = []
    for entry in (*entries(), *others):
        shape = shape_of(entry.config)
        steps = work.recipe(shape).steps
        seconds = steps * measured.step * work.step_flops(shape) / flops
        memory = _memory(shape, known, used, work, measured)
        memory += 0 if measured.graphics_memory else held
        spared = _spared(memory, shape, work, measured, machine)
        precision = NF4 if spared and four_bit else ""
        memory -= spared if four_bit else 0
        lacks = WITH_EXTRA if spared and not four_bit else ""
        here = entry.id in limits.here
        disk = disk_of(shape, here)
        why_not = _why_not(entry, seconds, memory, disk, limits)
        rows.append(Candidate(entry, seconds, memory, disk, here, why_not + lacks, precision))
    return rows


def _spared(memory: int, shape: Shape, work: Work, measured: Training, machine: Machine) -> int:
    """Return the bytes that 4 bits spare where a base fits a graphics card so, and only so."""
    if not (_too_much(memory, machine) and measured.graphics_memory):
        return 0
    if work.config.precision != AUTO:
        return 0
    spared = round(_weights(shape, measured.weight_bytes) - _weights(shape, NF4_BYTES))
    return 0 if _too_much(memory - spared, machine) else spared


def _too_much(memory: int, machine: Machine) -> bool:
    return memory > RESERVE * (machine.card_memory or machine.memory)


def _memory(shape: Shape, known: Shape, used: int, work: Work, measured: Training) -> int:
    """Return bytes told from another base: weights, what layers keep for the way back, logits.

    What layers keep, and LoRA with AdamW, grows as the widths of their linear layers do, and with
    the tokens of a step.
    """

    def step(one: Shape) -> float:
        return work.step_tokens(work.recipe(one))

    def fixed(one: Shape) -> float:
        answers = work.answers * step(one)
        logits = LOGIT * answers * one.output / one.hidden
        return _weights(one, measured.weight_bytes) + logits

    def states(one: Shape) -> float:
        return one.widths * work.recipe(one).layers * step(one)

    return round(fixed(shape) + max(0.0, used - fixed(known)) * states(shape) / states(known))


def _weights(shape: Shape, each: float) -> float:
    """Return the bytes of all weights; no other than the layers' linear ones are below 16 bits."""
    linear = shape.linear * shape.layers
    return each * linear + max(2.0, each) * (shape.parameters - linear)


def disk_of(shape: Shape, here: bool) -> int:
    """Return about the bytes a build writes: a download, the master, two levels, LoRA thrice."""
    download = 0 if here else 2 * shape.parameters
    return round(download + 2 * shape.parameters + 1.7 * shape.parameters)


def _why_not(entry: CatalogueEntry, seconds: float, memory: int, disk: int, limits: Limits) -> str:
    machine, here = limits.machine, entry.id in limits.here
    if _too_much(memory, machine):
        return f"memory: {(machine.card_memory or machine.memory) / 1e9:.0f} GB here"
    if disk > machine.free_disk:
        return f"disk: {machine.free_disk / 1e9:.0f} GB free"
    if seconds > limits.hours * 3600:
        return f"over {limits.hours:g} h"
    if limits.offline and not here:
        return "not here (--offline)"
    if entry.note:
        return entry.note
    return "gated" if entry.gated and not here else ""


def choose(rows: list[Candidate]) -> Candidate:
    """Return the largest base that fits, the built-in one where no other does."""
    fitting = [row for row in rows if not row.why_not]
    built_in = next(row for row in rows if row.entry.id == TINY)
    return max(fitting, key=lambda row: row.entry.parameters, default=built_in)
