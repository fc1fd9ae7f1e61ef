"""What `localtune plan` prints: what was found, which base, what each stage takes, the command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from localtune.cli.terminal import SafeConsole
from localtune.config.stages import NF4
from localtune.formatting import duration, plural, size

Row = dict[str, Any]
USE = {
    "tuning": "[green]Fine-tuning suits this folder.[/]",
    "both": "[green]Fine-tuning suits this folder;[/] so does a prompt.",
    "retrieval": "[yellow]Use retrieval (RAG) rather than fine-tuning.[/]",
}


def show_plan(plan: Row) -> None:
    """Print a plan on stdout: tables on a terminal, the same lines elsewhere."""
    console = SafeConsole(highlight=False, width=None if sys.stdout.isatty() else 120)
    for shown in _parts(plan):
        console.print(shown)


def _parts(plan: Row) -> Iterable[Any]:
    yield from _documents(plan["documents"], plan["advice"])
    if "base" in plan:
        yield from _bases(plan)
        yield from _stages(plan)
        yield from _costs(plan)
    for problem in plan["problems"]:
        yield f"[yellow]Note:[/] {escape(problem['message'])} {escape(problem['hint'])}"
    if "base" in plan:
        yield f"\nBuild it: [cyan]{escape(_command(plan))}[/]"


def _documents(found: Row, advice: Row) -> Iterable[Any]:
    left = found["skipped"] + found["failed"]
    left_out = f", {left} left out" if left else ""
    yield (
        f"[bold]{escape(_short(found['folder']))}[/]: {plural(found['read'], 'document')} read"
        f"{left_out}; {found['words']:,} words, about {found['tokens']:,} tokens, "
        f"{plural(advice['facts'], 'fact')}"
    )
    yield USE[advice["use"]]
    for why in advice["why"]:
        yield f"  {escape(why)}"
    shares = advice["shares"]
    yield (
        f"  [dim]of the facts {shares['tables']:.0%} are rows of tables, {shares['numbers']:.0%} "
        f"hold numbers, {shares['changing']:.0%} dates or prices[/]\n"
    )


def _bases(plan: Row) -> Iterable[Any]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("base", "size", "training", "memory", "disk", "licence", "languages", ""):
        right = name in ("size", "training", "memory", "disk")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "languages")
    for row in plan["candidates"]:
        table.add_row(*_candidate(row, plan), style=_style(row, plan))
    yield table
    base, machine = plan["base"], plan["machine"]
    card = f", {machine['card']} with {size(machine['card_memory'])}" if machine["card"] else ""
    yield (
        f"This machine: {plural(machine['cores'], 'core')}, {size(machine['memory'])} of memory"
        f"{card}, {size(machine['free_disk'])} free on the disk. Each base is told from one that "
        "was tried (± 40 %)."
    )
    yield f"\n[bold]{escape(base['id'])}[/], {base['why']}: {_recipe(plan)}"


def _candidate(row: Row, plan: Row) -> list[str]:
    mark = row["id"] == plan["base"]["recommended"]
    in_four_bits = ", in 4 bits" if row["precision"] else ""
    return [
        escape(row["id"].split("/")[-1]),
        _parameters(row["parameters"]),
        _hours(row["train_seconds"]),
        size(row["memory"]),
        size(row["disk"]),
        row["licence"],
        row["languages"],
        f"recommended{in_four_bits}" if mark else escape(row["why_not"]) or in_four_bits[2:],
    ]


def _style(row: Row, plan: Row) -> str:
    if row["id"] == plan["base"]["recommended"]:
        return "green"
    return "dim" if row["why_not"] else ""


def _hours(seconds: float) -> str:
    """Write what isn't known to the minute: 50 min, 14 h, 6 days."""
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def _recipe(plan: Row) -> str:
    made = plan["training"]
    return (
        f"{made['precision']}; {made['steps']} steps of {made['rows']} rows, LoRA of rank "
        f"{made['rank']}; {made['lesson_tokens']:,} tokens of lessons"
    )


def _stages(plan: Row) -> Iterable[Any]:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for name in ("time", "±", "memory"):
        table.add_column(name, justify="right")
    for row in plan["stages"]:
        memory = size(row["memory"]) if row["memory"] else ""
        table.add_row(row["stage"], duration(row["seconds"]), f"{row['band']:.0%}", memory)
    total, memory = plan["total"], plan["memory"]
    peak = max([memory["bytes"], *(row["memory"] for row in plan["stages"])])
    whole = [duration(total["seconds"]), f"{total['band']:.0%}", size(peak)]
    table.add_row("all", *whole, style="bold")
    yield table


def _costs(plan: Row) -> Iterable[Any]:
    disk, energy, memory = plan["disk"], plan["energy"], plan["memory"]
    if memory["graphics_bytes"]:
        yield f"Graphics memory: {size(memory['graphics_bytes'])} (± {memory['band']:.0%})"
    yield f"Memory: {size(memory['bytes'])} while training (± {memory['band']:.0%})"
    download = f", {size(disk['download'])} of it fetched" if disk["download"] else ""
    yield f"Disk: {size(disk['peak'])} at most, {size(disk['stays'])} at the end{download}"
    low, high = energy["kwh_between"]
    known = "as --watts says" if energy["watts_known"] else "assumed, not measured"
    yield (
        f"Energy: {energy['kwh']:.3g} kWh ({low:.2g}–{high:.2g}) at {energy['watts']:g} W "
        f"({known}); {energy['grams_co2']:.3g} g CO2 with {energy['country']} electricity "
        f"({energy['grams_a_kwh']} g a kWh)"
    )
    if energy["cost"] is not None:
        yield f"Electricity costs {energy['cost']:.2f}"
    if hosted := plan["hosted"]:
        yield f"Hosted, {hosted['tokens']:,} tokens would cost {hosted['cost']:.2f}"


def _command(plan: Row) -> str:
    folder = shlex.quote(_short(plan["documents"]["folder"]))
    precision = f" --precision {NF4}" if plan["base"]["precision"] == NF4 else ""
    return f"localtune build {folder} --base {shlex.quote(plan['base']['id'])}{precision}"


def _parameters(n: int) -> str:
    return f"{n / 1e9:.1f}B" if n >= 1e9 else f"{n / 1e6:.0f}M"


def _short(folder: str) -> str:
    path, here = Path(folder), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else folder
