"""Who imports which library, and that a command loads little. test_rooms.py looks at the rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import localtune

PACKAGE = Path(localtune.__file__).parent
# Who imports a library; "cli/" are all files of that folder.
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
    "click": {"cli/"},
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
def test_a_library_is_imported_by_its_owners_alone(file: Path) -> None:
    for name in imports(file):
        owners = ONLY.get(name.split(".")[0], {""})
        owned = any(inside(file).startswith(owner) for owner in owners)
        assert owned, f"{inside(file)} imports {name}"


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
