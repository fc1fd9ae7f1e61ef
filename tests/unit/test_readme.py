"""The README and the pages of docs/ show commands that exist, with the options they have."""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from localtune.cli.main import cli
from localtune.config.file import from_dict

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = [
    page
    for page in (README, *sorted((ROOT / "docs").rglob("*.md")))
    if page.parent.name != "decisions"
]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FOREIGN_FLAGS = {"--size", "--ours-only", "--cpu"}  # of benchmarks/ and of accelerate
MAX_README_LINES = 200


def blocks(language: str) -> list[str]:
    """Return the fenced code blocks of a language."""
    texts = [page.read_text(encoding="utf-8") for page in GUIDES]
    return [b for t in texts for b in re.findall(rf"^```{language}\n(.*?)^```$", t, re.M | re.S)]


def command_lines() -> Iterator[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    lines += [line.strip().replace("$(BIN)/", "") for line in MAKEFILE.splitlines()]
    for line in lines:
        if found := re.match(r"(?:[A-Z_]+=\S+ )*(localtune .+?)(?=  +#|$)", line):
            yield found[1]


def options() -> set[str]:
    """Return every option of every command."""
    return {opt for command in cli.commands.values() for p in command.params for opt in p.opts}


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_line_parses(line: str) -> None:
    name, *args = shlex.split(line)[1:]
    if name.startswith("--"):
        return
    command = cli.commands[name]
    with click.Context(cli) as parent:
        context = command.make_context(name, args, parent=parent)
    assert context.protected_args == [] and context.args == []


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_an_example(name: str) -> None:
    assert any(line.startswith(f"localtune {name}") for line in command_lines())


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`(--[a-z][a-z-]+)", page.read_text(encoding="utf-8"))
    known = options() | FOREIGN_FLAGS | {"--help", "--version"}
    assert set(named) <= known, set(named) - known


@pytest.mark.parametrize("page", ["commands.md", "configuration.md"])
def test_the_reference_is_current(page: str) -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "command_reference.py"))["pages"]()
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    (current,) = [text for path, text in pages.items() if path.name == page]
    assert written == current, "run `python tools/command_reference.py`"


def test_every_option_is_in_the_reference() -> None:
    pages = [page for page in GUIDES if page.parent.name == "reference"]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    missing = {flag for flag in options() if f"`{flag}`" not in text} - {"--debug"}
    assert not {flag for flag in missing if flag.startswith("--")}


def test_every_config_file_is_one_that_can_be_read() -> None:
    examples = blocks("toml")
    assert len(examples) == 2
    for example in examples:
        from_dict(tomllib.loads(example)).check()


def test_the_python_example_compiles() -> None:
    (example,) = blocks("python")
    compile(example, "python.md", "exec")


def test_the_changelog_and_the_licence_are_there() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Dependencies")[1]
    extras = project["optional-dependencies"]
    for wanted in [*project["dependencies"], *extras["dev"], *extras["docs"]]:
        name = re.split(r"[><=\[]", wanted)[0]
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", table), name
