"""Progress for people, on stderr: bars on a terminal, plain lines in a log. And the summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.segment import Segment
from rich.table import Table

from localtune.cli.controls import escape_controls
from localtune.formatting import duration, interval, percent
from localtune.progress import Bar, Progress

EVERY = 10.0  # seconds between two lines of a bar where there is no terminal


class SafeConsole(Console):
    """A console that writes out control characters in what it prints; rich's own are kept.

    Names of files, messages of servers and words of models are printed, whoever chose them.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a renderable."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_controls(text), style, control)


def progress_for_stderr() -> Progress:
    """Return bars where stderr is a terminal, else plain lines."""
    return RichProgress() if sys.stderr.isatty() else PlainProgress()


class RichProgress(Progress):
    """One line a stage, and a bar with the time left while a stage counts."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or SafeConsole(stderr=True)

    def stage(self, name: str, detail: str = "") -> None:
        """Print the stage's name, and why it runs again."""
        tail = f" [dim]{escape(detail)}[/]" if detail else ""
        self._console.print(f"[bold cyan]{escape(name)}[/]{tail}", highlight=False)

    def note(self, text: str) -> None:
        """Print an indented line."""
        self._console.print(f"  {escape(text)}", highlight=False)

    def warn(self, text: str) -> None:
        """Print a yellow line."""
        self._console.print(f"  [yellow]warning:[/] {escape(text)}", highlight=False)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Show a bar until the context closes; it leaves no trace."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]left[/]"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(escape(label), total=total, detail="")
            yield _RichBar(bars, task)


class _RichBar(Bar):
    def __init__(self, bars: Bars, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, n: int = 1, detail: str = "") -> None:
        self._bars.advance(self._task, n)
        if detail:
            self._bars.update(self._task, detail=escape(detail))


class PlainProgress(Progress):
    """Plain lines for logs and pipes; a bar becomes a line every few seconds."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every

    def stage(self, name: str, detail: str = "") -> None:
        """Print the stage's name, and why it runs again."""
        self._line(f"{name} ({detail})" if detail else name)

    def note(self, text: str) -> None:
        """Print an indented line."""
        self._line(f"  {text}")

    def warn(self, text: str) -> None:
        """Print a marked line."""
        self._line(f"  warning: {text}")

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Print how far it is every few seconds, and nothing where it ends sooner."""
        yield _PlainBar(self._line, label, total, self._every)

    def _line(self, text: str) -> None:
        sys.stderr.write(escape_controls(text) + "\n")
        sys.stderr.flush()


class _PlainBar(Bar):
    def __init__(self, line: Any, label: str, total: int, every: float) -> None:
        self._line, self._label, self._total, self._every = line, label, total, every
        self._done, self._began, self._told = 0, time.monotonic(), time.monotonic()

    def advance(self, n: int = 1, detail: str = "") -> None:
        self._done += n
        now = time.monotonic()
        if now - self._told < self._every:
            return
        self._told = now
        left = (now - self._began) / max(self._done, 1) * max(self._total - self._done, 0)
        tail = f", {detail}" if detail else ""
        self._line(f"  {self._label} {self._done}/{self._total}, {duration(left)} left{tail}")


def recall(value: float, bounds: list[float]) -> str:
    """Write a recall with its interval: 93 % (88–96 %)."""
    return f"{percent(value)} ({interval(bounds)})"


def summary(title: str, rows: list[tuple[str, str]], commands: list[tuple[str, str]]) -> Panel:
    """Lay out what a build came to: labelled facts, then the commands that use it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, escape(value))
    table.add_row("", "")
    for label, command in commands:
        table.add_row(label, f"[cyan]{escape(command)}[/]")
    return Panel(table, title=escape(title), expand=False, border_style="green")
