"""What `localtune corpus` and `localtune ladder` print: tables, and what they come to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.markup import escape
from rich.table import Table

from localtune.cli.terminal import SafeConsole
from localtune.formatting import plural
from localtune.privacy import told
from localtune.report.ladder import COLUMNS, ladder_rows

Row = dict[str, Any]
_COLOURS = {"read": "green", "skipped": "yellow", "failed": "red"}


def show_documents(documents: list[Row]) -> None:
    """Print a line for each file and the sums over all."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, style in (("", {}), ("document", {"overflow": "fold"}), ("language", {})):
        table.add_column(name, **style)  # type: ignore[arg-type]
    table.add_column("tokens", justify="right")
    table.add_column("passages", justify="right")
    table.add_column("", overflow="fold")
    for row in documents:
        colour = _COLOURS[row["status"]]
        figures = [f"{row['tokens']:,}", str(row["passages"])] if row["passages"] else ["", ""]
        status, path = f"[{colour}]{row['status']}[/]", escape(row["path"])
        table.add_row(status, path, row["language"], *figures, escape(_remarks(row)))
    print_shown(table)
    for line in _sums(documents):
        print_shown(line)


def _remarks(row: Row) -> str:
    parts = [row["reason"]] if row["reason"] else []
    parts += [plural(row["chats"], "chat")] if row["chats"] else []
    parts += [f"also {', '.join(row['also'])}"] if row["also"] else []
    parts += [f"without {_listed(row['removed'])}"] if row["removed"] else []
    parts += [f"replaced {told(row['private'])}"] if row["private"] else []
    return "; ".join(parts)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items()))


def _sums(documents: list[Row]) -> Iterable[str]:
    status = Counter(row["status"] for row in documents)
    tokens = sum(row["tokens"] for row in documents)
    yield ""
    yield (
        f"{plural(len(documents), 'file')}: {status['read']} read, {status['skipped']} skipped, "
        f"{status['failed']} failed; about {tokens:,} tokens"
    )
    languages = Counter(row["language"] for row in documents if row["language"])
    if languages:
        yield "Languages: " + ", ".join(f"{name} {n}" for name, n in languages.most_common())
    for title, key, listed in (("Left out", "removed", _listed), ("Replaced", "private", told)):
        total: Counter[str] = Counter()
        for row in documents:
            total.update(row[key])
        if total:
            yield f"{title}: {listed(total)}"


def show_removed(removed: list[Row]) -> None:
    """Print every piece of text that was left out, with its document and why."""
    for row in removed:
        print_shown(f"[bold]{escape(row['document'])}[/]  [yellow]{escape(row['what'])}[/]")
        for line in row["text"].splitlines():
            print_shown(f"    {escape(line)}")
    print_shown(f"{plural(len(removed), 'piece')} left out" if removed else "Nothing left out.")


def show_ladder(ladder: Row) -> None:
    """Print the levels of a build with their figures, and which of them to take."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if i else "left")
    for row in ladder_rows(ladder):
        style = "green" if row[0] == ladder["recommended"] else ""
        table.add_row(*map(escape, row), style=style)
    print_shown(table)
    print_shown("")
    for rung in ladder["levels"]:
        if "why" in rung:
            print_shown(f"{rung['level']} was not measured: {escape(rung['why'])}")
    named = f"Recommended: [bold]{ladder['recommended']}[/]. " if ladder["recommended"] else ""
    print_shown(f"{named}{ladder['why']}")


def print_shown(shown: Any) -> None:
    """Print on stdout: text with rich's markup, or a table."""
    if sys.stdout.isatty():
        SafeConsole(highlight=False).print(shown)
        return
    # Where nobody watches, a line is a line: nothing is cut to a width, or filled up to one.
    console = SafeConsole(highlight=False, width=10_000)
    with console.capture() as captured:
        console.print(shown)
    sys.stdout.writelines(line.rstrip() + "\n" for line in captured.get().splitlines())
