"""Text of others that goes to a terminal can't control it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from localtune.cli.controls import escape_controls
from localtune.cli.terminal import PlainProgress, RichProgress, SafeConsole, summary

EVIL = "\x1b]0;owned\x07\x1b[31m\x9b2J\rover\u202ereversed\u2066\x00\x7f"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_control_characters_are_written_out_and_the_rest_is_kept() -> None:
    text = "a\tb\nGröße עברית 🎉 \u200d"
    assert escape_controls(text) == text and escape_controls("a\r\nb") == "a\nb"
    assert not RAW.search(escape_controls(EVIL)) and "\\u001b]0;owned\\u0007" in escape_controls(
        EVIL
    )
    assert escape_controls("\udc80").encode() == b"\\udc80"
    value = {"said": EVIL, "\x9b": ["\u202e"]}
    assert json.loads(escape_controls(json.dumps(value, ensure_ascii=False))) == value


def test_rich_prints_styles_of_ours_and_none_of_others() -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=True, width=200, color_system="standard")
    progress, table = RichProgress(console), Table(title=EVIL)
    progress.stage(EVIL, EVIL)
    progress.note(EVIL)
    progress.warn(EVIL)
    with progress.bar(EVIL, 2) as bar:
        bar.advance(detail=EVIL)
    table.add_column(EVIL)
    table.add_row(EVIL)
    console.print(table)
    console.print(summary(EVIL, [("label", EVIL)], [("Run", EVIL)]))
    assert "\x1b[" in out.getvalue() and out.getvalue().count("owned") >= 7
    left = STYLES.sub("", out.getvalue())
    assert "\x1b[31m" not in out.getvalue() and not RAW.search(left.replace("\r", ""))


def test_plain_lines_hold_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(every=0)
    progress.stage(EVIL, EVIL)
    progress.note(EVIL)
    progress.warn(EVIL)
    with progress.bar(EVIL, 2) as bar:
        bar.advance(detail=EVIL)
    said = capsys.readouterr().err
    assert said.count("owned") >= 5 and not RAW.search(said)


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localtune", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("options", [(), ("--debug",)])
def test_an_error_about_an_evil_name_controls_nothing(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = run("ask", tmp_path / EVIL.replace("\x00", ""), "Who?", *options)
    assert done.returncode == 1 and "owned" in done.stderr and not RAW.search(done.stderr)


SAID = "\x07\x9b2J\u202eover"
ANSWER = f"from localtune.cli.command import echo_answer\necho_answer({SAID!r})"


def test_an_answer_is_as_it_is_in_a_pipe_and_harmless_on_a_terminal() -> None:
    code = [sys.executable, "-c", ANSWER]
    assert subprocess.run(code, capture_output=True).stdout.decode() == SAID + "\n"
    outer, inner = pty.openpty()
    with os.fdopen(outer, "rb", buffering=0) as reader:
        subprocess.run(code, stdout=inner, check=True)
        os.close(inner)
        assert not RAW.search(reader.read(1000).decode().replace("\r\n", "\n"))
