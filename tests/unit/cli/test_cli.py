"""The command line: fast help, one message for an error, data on stdout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from localtune import __version__
from localtune.cli.main import cli
from localtune.config.fields import flags
from localtune.errors import InputError

ROOT = Path(__file__).parents[3]


def localtune(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localtune", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)


def test_help_imports_only_what_prints_it() -> None:
    code = (
        "import sys; from localtune.cli.main import cli; cli(['--help'], standalone_mode=False);"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names,"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert set(done.stderr.split()) == {"__main__", "click", "localtune", "rich", "rich_click"}


def test_the_commands_are_those_promised() -> None:
    assert set(cli.commands) == {
        "build", "corpus", "status", "ask", "chat", "quantize", "evaluate", "serve", "doctor",
        "clean", "ladder", "convert", "merge", "modelfile", "install", "uninstall", "push",
        "lessons", "exam", "plan",
    }  # fmt: skip
    assert localtune("--version").stdout.strip() == f"localtune, version {__version__}"


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help(command: str) -> None:
    assert cli.commands[command].help
    assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0


def test_every_option_of_a_stage_is_an_option_of_build() -> None:
    offered = {name for param in cli.commands["build"].params for name in param.opts}
    assert set(flags()) <= offered
    assert {"--out", "--name", "--config", "--json", "--debug"} <= offered


@pytest.mark.parametrize(
    "args",
    [
        ["build", "nosuch"],
        ["build", "file.txt"],
        ["build", ".", "--out", "inside"],
        ["build", "docs", "--quantize", "NONSENSE"],
        ["build", "docs", "--quantize", ""],
        ["build", "docs", "--base", "nosuch"],
        ["build", "docs", "--base", "./nosuch"],
        ["build", "docs", "--config", "nosuch.toml"],
        ["build", "docs", "--steps", "-1"],
        ["build", "docs", "--name", "a b"],
        ["status", "docs"],
        ["status", "nosuch"],
        ["ask", "docs", "What?"],
        ["chat", "docs"],
        ["quantize", "docs", "--to", "Q5_K_M"],
        ["quantize", "file.txt", "--to", "Q5_K_M"],
        ["quantize", "nosuch.gguf", "--to", "Q5_K_M"],
        ["quantize", "file.txt", "--to", "Q5_KM"],
        ["ladder", "docs"],
        ["ladder", "docs", "--levels", "Q5_KM"],
        ["evaluate", "docs"],
        ["serve", "docs"],
        ["push", "docs", "ada/docs"],
        ["push", "docs", "ada/docs", "--dry-run"],
        ["install", "docs"],
        ["uninstall", "docs", "--host", "127.0.0.1:1"],
        ["uninstall", "./docs"],
        ["uninstall", "docs", "--host", "tcp://x"],
        ["quantize", "docs", "--to", "Q4_0", "--install", "--out", "levels"],
        ["clean", "docs"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_with_what_to_do(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nThe office opens at nine.\n")
    (tmp_path / "file.txt").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    done = localtune(*args, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"Error: .+\nHint: .+\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written"


@pytest.mark.parametrize(
    "args",
    [
        ["build", "docs", "--nosuch"],
        ["install", "docs", "--llama-cpp"],
        ["build", "docs", "--pure"],
        ["build", "docs", "--train-seed"],
        ["build", "docs", "--batch-tokens"],
        ["corpus", "docs", "--file-seconds"],
        ["quantize", "file.txt", "--to", "Q4_0", "--keep"],
    ],
    ids=" ".join,
)
def test_an_unknown_option_is_a_usage_error(tmp_path: Path, args: list[str]) -> None:
    done = localtune(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(f"No such option:? '?{args[-1]}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [["--debug", "status", "x"], ["status", "x", "--debug"]])
def test_debug_shows_the_traceback(tmp_path: Path, args: list[str]) -> None:
    done = localtune(*args, cwd=tmp_path)
    assert "Traceback" in done.stderr and InputError.__name__ in done.stderr
    assert done.returncode == 1


def test_doctor_speaks_json() -> None:
    found = json.loads(localtune("doctor", "--json").stdout)
    assert {"python", "torch", "llama-cpp-python", "gpu", "disk", "ollama"} <= {
        finding["what"] for finding in found
    }
    assert all(finding["fix"] for finding in found if finding["state"] == "missing")
