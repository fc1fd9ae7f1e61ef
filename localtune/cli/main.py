"""Every command: parse, call, print. Data goes to stdout, everything else to stderr.

Nothing heavy is imported here; each command loads what it runs, so that --help comes at once.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import click
import rich_click

import localtune
from localtune.cli import ask, convert, install, lessons, plan, quantize, serve
from localtune.cli.command import Commands, command_of, echo
from localtune.cli.options import groups, section_options, stage_options

TITLES = {
    "corpus": "Documents",
    "exam": "Exam",
    "lessons": "Lessons",
    "chat": "Conversations",
    "base": "Base",
    "train": "Training",
    "export": "Export",
    "quantize": "Levels",
    "grade": "Grading",
}

rich_click.rich_click.MAX_WIDTH = 100
PANELS = {"The build": ["--out", "--name", "--config", "--json"]} | {
    TITLES.get(section, section): names for section, names in groups().items()
}
MAX_STATUS_BYTES = 100_000_000_000  # read to compare files whose sums aren't known: a minute or two
ASKED = ["--country", "--price", "--watts", "--hosted-price"]
rich_click.rich_click.OPTION_GROUPS = {
    f"localtune {name}": [{"name": title, "options": names} for title, names in panels.items()]
    for name, panels in (("build", PANELS), ("plan", {"The plan": ASKED} | PANELS))
}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(localtune.__version__, prog_name="localtune")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Turn a folder of your own documents into a small model in your Ollama list."""
    ctx.obj = {"debug": debug}


command = partial(command_of, cli)
folder = click.argument("build", type=click.Path(path_type=Path))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


@command("build")
@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Build folder. [default: ./NAME]")
@click.option("--name", default="", help="The model's name. [default: the name of DOCS]")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A localtune.toml.")
@as_json
@stage_options
def build(
    docs: Path, out: Path | None, name: str, file: Path | None, as_json: bool, **given: Any
) -> None:
    """Turn the documents in DOCS into a model, and show that it knows them.

    Run it again after a change, or after it was stopped: only what depends on the change is done.
    """
    from localtune.cli.terminal import progress_for_stderr
    from localtune.machine import ranks

    progress = progress_for_stderr() if ranks.first() else None
    result = localtune.build(docs, out, name=name, config=file, progress=progress, **given)
    if not ranks.first():
        return
    if as_json:
        _print_json({**vars(result), "folder": str(result.folder)})
    else:
        _show_result(result)


def _show_result(result: Any) -> None:
    from localtune.cli.summary import show

    show(result)


@command("corpus")
@click.argument("docs", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the JSONL files here.")
@click.option("--show", type=click.Choice(["removed"]), help="Print what was left out, and why.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="A localtune.toml.")
@as_json
@section_options("corpus")
def corpus(
    docs: Path,
    out: Path | None,
    show: str | None,
    file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Read the documents in DOCS as a build would; say what became of each. Builds nothing.

    --out writes documents.jsonl, passages.jsonl (the text that would be learned from), chats.jsonl
    and removed.jsonl.
    """
    from localtune.build.open_build import read_documents
    from localtune.cli.terminal import progress_for_stderr
    from localtune.config.file import load, sections_of_options

    config = load(file, sections_of_options(given)).corpus
    documents, removed = read_documents(docs, out, config, progress_for_stderr())
    if as_json:
        _print_json(removed if show else [_without_text(row) for row in documents])
        return
    from localtune.cli.listing import show_documents, show_removed

    if show:
        show_removed(removed)
    else:
        show_documents(documents)


def _without_text(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "text"}


@command("status")
@folder
@as_json
def status(build: Path, as_json: bool) -> None:
    """Say what is done in BUILD, what would run again, and why."""
    from localtune.build.open_build import open_build
    from localtune.build.pipeline import standings

    opened = standings(open_build(build), MAX_STATUS_BYTES)
    if as_json:
        _print_json([vars(standing) for standing in opened])
        return
    for standing in opened:
        why = f"  {'; '.join(standing.why)}" if standing.why else ""
        echo(f"{standing.stage:<18}{standing.state:<8}{why}".rstrip())


command("ask")(ask.ask)
command("chat")(ask.chat)
command("evaluate")(ask.evaluate)


command("plan")(plan.plan)
command("lessons")(lessons.lessons)
command("exam")(lessons.exam)


command("quantize")(quantize.quantize)
command("ladder")(quantize.ladder)


command("convert")(convert.convert)
command("merge")(convert.merge)
command("modelfile")(convert.modelfile)


command("install")(install.install)
command("uninstall")(install.uninstall)


command("serve")(serve.serve)
command("push")(serve.push)


@command("doctor")
@as_json
def doctor(as_json: bool) -> None:
    """Say what this machine has and lacks, with the fix."""
    from localtune.cli.doctor import examine

    findings = list(examine())
    if as_json:
        _print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            echo(f"{finding.state:<8}{finding.what:<18}{finding.detail}")
            if finding.fix:
                echo(f"{'':<26}{finding.fix}")
    if any(finding.state == "missing" for finding in findings):
        sys.exit(1)


@command("clean")
@folder
def clean(build: Path) -> None:
    """Remove the work files of BUILD; the model, the Modelfile and the report stay."""
    from localtune.build.open_build import open_build
    from localtune.formatting import size

    at = open_build(build).at
    with at.hold():
        freed = at.clean()
    echo(f"{at.work}: {size(freed)} freed. The next build starts from the documents.")


def _print_json(value: Any) -> None:
    echo(json.dumps(value, ensure_ascii=False, indent=1))


def main() -> None:
    """Run the command line: the entry point of `localtune`."""
    # peft 0.21 asks transformers 5.23 by an old name; a person can do nothing about it.
    warnings.filterwarnings("ignore", r"`is_gradient_checkpointing`", FutureWarning)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
            signal.signal(number, _end)
    cli(prog_name="localtune")


def _end(number: int, _: Any) -> None:
    """End as Ctrl-C does, so that no temporary file or folder stays; exit with 128 + `number`.

    Another such signal doesn't interrupt the removal: a terminal that closes may send two.
    """
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
