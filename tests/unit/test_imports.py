"""Imports run downward: a stage folder knows no other stage folder, and a command loads little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import localtune

PACKAGE = Path(localtune.__file__).parent
STAGES = {"corpus", "lessons", "training", "export", "runtimes", "evaluation", "report"}
SHARED = {
    *("control_tokens", "cores", "declining", "extras", "in_view", "errors", "progress", "config"),
    *("workspace", "links", "loading", "loopback", "nothing_fetched", "privacy", "processes"),
    *("ranks", "template_files", "threads", "usage", "writing"),
}
ONLY = {
    "llama_cpp": {
        f"llama/{name}.py"
        for name in (
            "engine",
            "engine_header",
            "engine_writer",
            "layers",
            "openai_server",
            "quantizer",
            "schema_check",
            "vocabulary",
        )
    },
    "huggingface_hub": {"bases/fetch.py", "deploy/hub.py"},
    "httpx2": {"ollama/client.py", "lessons/teacher/server.py"},
    "click": {
        *(
            f"cli_{part}.py"
            for part in ("convert", "levels", "ollama", "plan", "read", "serve", "talk")
        ),
        *("cli/main.py", "cli/command.py", "cli/options.py"),
    },
    "rich_click": {"cli/main.py", "cli/command.py"},
    "rich": {
        "cli/terminal.py",
        "cli/summary.py",
        "cli/listing.py",
        "cli/plan_view.py",
        "cli/reading_listing.py",
    },
    "xberg": {"corpus/read/office.py"},
    "pypdfium2": {"corpus/read/pdf.py", "corpus/read/ocr.py"},
    "phonenumbers": {"privacy/find/phones.py", "privacy/replace/pseudonyms.py"},
    "rensa": {"corpus/split/duplicates.py"},
}
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "numpy",
    "psutil",
    "gguf",
    "llama_cpp",
    "trafilatura",
    "rich",
    "httpx2",
)
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """Yield the full names of the modules a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_imports_run_downward(file: Path) -> None:
    folder = inside(file).split("/")[0]
    for name in imports(file):
        parts = name.split(".")
        if parts[0] == "localtune" and folder in STAGES and len(parts) > 1:
            known = {*SHARED, folder, "__version__"}
            assert parts[1] in known, f"{inside(file)} imports {name}"
        owners = ONLY.get(parts[0])
        assert owners is None or inside(file) in owners, f"{inside(file)} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_what_llama_cpp_can_crash_is_imported_only_in_child_processes(file: Path) -> None:
    inner = {f"localtune.llama.{Path(name).stem}" for name in ONLY["llama_cpp"]}
    if inside(file) not in ONLY["llama_cpp"]:
        assert not [name for name in imports(file) if name.rpartition(".")[0] in inner]


@pytest.mark.parametrize("file", FILES, ids=inside)
def test_files_stay_short_and_honest(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") < 300, f"{inside(file)} is too long"
    assert "except Exception" not in text and "except:" not in text
    assert ast.get_docstring(ast.parse(text)), f"{inside(file)} has no docstring"


def test_the_command_line_loads_nothing_heavy() -> None:
    code = f"import sys, localtune.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
