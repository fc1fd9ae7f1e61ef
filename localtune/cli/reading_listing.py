"""What `localtune lessons` and `localtune exam` print. Takes rows of reading.py; on stdout."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.markup import escape
from rich.table import Table

from localtune.cli.listing import print_shown
from localtune.cli.reading import LessonMatches, text_of
from localtune.cli.terminal import recall
from localtune.evaluation.recall import wilson
from localtune.formatting import plural

Row = dict[str, Any]
MOST_DOCUMENTS = 20  # lines of the table of documents
LONGEST = 600  # letters of a text that is shown


def show_lessons(found: LessonMatches, shown: list[Row]) -> None:
    """Print how many lessons there are by kind and document, then some of them."""
    _print_sums("kind", found.kinds)
    print_shown("")
    _print_sums("document", dict(list(found.documents.items())[:MOST_DOCUMENTS]))
    if len(found.documents) > MOST_DOCUMENTS:
        print_shown(f"and {len(found.documents) - MOST_DOCUMENTS} more documents")
    number = plural(len(found.rows), "lesson")
    print_shown("\n" + (number if len(found.rows) == found.all else f"{number} of {found.all:,}"))
    for row in shown:
        print_shown("")
        _print_lesson(row)


def _print_sums(name: str, sums: dict[str, tuple[int, int]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(name, overflow="fold")
    for column in ("lessons", "tokens, about"):
        table.add_column(column, justify="right")
    for one, (lessons, tokens) in sums.items():
        table.add_row(escape(one), f"{lessons:,}", f"{tokens:,}")
    print_shown(table)


def _print_lesson(row: Row) -> None:
    """A question and, below it, the answer; a text as it is."""
    print_shown(f"[dim]{escape(row['kind'])} · {escape(row['document'])}[/]")
    if "messages" not in row:
        text = text_of(row)
        print_shown(escape(text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"))
        return
    for said in row["messages"]:
        asked = said["role"] != "assistant"
        mark = {"user": "?", "assistant": "→"}.get(said["role"], said["role"])
        text = escape(said["content"])
        print_shown(f"[bold]{mark} {text}[/]" if asked else f"  [green]{mark}[/] {text}")


def show_exam(level: str, rows: list[Row], wrong: bool) -> None:
    """Print the questions with their answers and, where they were asked, what was said."""
    graded = [row for row in rows if "correct" in row]
    for row in rows:
        if not wrong or row.get("correct") is False:
            _print_question(row)
    kinds = Counter(row.get("kind", "") or "no kind" for row in rows)
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    print_shown(f"{plural(len(rows), 'question')}: {escape(listed)}")
    if not graded:
        print_shown("Not asked yet.")
        return
    right = sum(row["correct"] for row in graded)
    share = recall(right / len(graded), list(wilson(right, len(graded))))
    print_shown(f"{level} answers {right} of {len(graded)}: {share}")
    if len(graded) < len(rows):
        print_shown(f"{len(rows) - len(graded)} were changed since, and not asked yet.")


def _print_question(row: Row) -> None:
    mark = {True: "[green]right[/]", False: "[red]wrong[/]", None: ""}[row.get("correct")]
    where = " · ".join(filter(None, [row.get("kind", ""), row.get("document", "")]))
    print_shown(f"[bold]{escape(row['question'])}[/]  [dim]{escape(where)}[/]  {mark}".rstrip())
    print_shown(f"  wanted  {escape(' | '.join(row['answers']))}")
    if "said" in row:
        print_shown(f"  said    {escape(row['said']) or '(nothing)'}")
    print_shown("")
