"""Scores to words and pictures: work/*.json(l) -> report.html and the model card README.md.

Both are made from templates/ and hold everything they show: no script, no font, no picture is
fetched from anywhere. Knows nothing of models; what it shows stands in the files it reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localtune.progress import Progress, Silent
from localtune.report.ladder import ladder_view
from localtune.report.view import view
from localtune.template_files import templates_folder
from localtune.workspace import read_json, read_jsonl, write_text

__all__ = ["write_report"]


def write_report(
    scores: Path,
    metrics: Path,
    documents: Path,
    exam: Path,
    report_html: Path,
    card: Path,
    ladder: dict[str, Any] | None = None,
    kept: bool = False,
    progress: Progress = Silent(),
) -> None:
    """Write the report and the model card; `ladder` is work/ladder.json, where there is one.

    `kept` says that private data was not looked for, which is not the same as none being there.
    Raises InputError where an input can't be read.
    """
    shown = view(
        read_json(scores),
        list(read_jsonl(metrics)),
        list(read_jsonl(documents)),
        list(read_jsonl(exam)),
    )
    shown |= {"ladder": ladder_view(ladder), "kept": kept}
    write_text(report_html, _render("report.html", shown), private=True)
    write_text(card, _render("model-card.md", shown))
    progress.note(f"{report_html.name} and {card.name}")


def _render(template: str, shown: dict[str, object]) -> str:
    import jinja2  # slow to import

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(shown)
