"""A child Python runs this localtune, and no module of the current folder."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

import localtune
from localtune.machine.processes import module_command, module_environment

PACKAGE = Path(localtune.__file__).parent
MODULES = ("json", "numpy", "uvicorn", "llama_cpp", "jinja2", "localtune")


@pytest.mark.parametrize("path", ["", os.pathsep, f"{os.pathsep}/nowhere"])
@pytest.mark.parametrize(
    ("module", "argument"),
    [("localtune.llama.openai_server", "--help"), ("localtune.errors", "")],
)
def test_modules_in_the_current_folder_are_not_run(
    module: str, argument: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module from here was run')")
    monkeypatch.setenv("PYTHONPATH", path)
    done = subprocess.run(
        [*module_command(module), argument],
        cwd=tmp_path,
        env=module_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_no_other_command_starts_a_module_without_isolation() -> None:
    """A script that is named by its path has its own folder in front, not the current one."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List) and node.elts:
                first, *options = map(ast.unparse, node.elts)
                if first == "sys.executable":
                    found.append(file.name)
                    assert options[0] == "'-P'" or not options[0].startswith("'-"), file
    assert "processes.py" in found
