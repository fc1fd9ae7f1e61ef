"""The README shows commands that exist, with the options and defaults they have."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from localtune.cli import cli
from localtune.configfile import from_dict
from localtune.fields import flags, section_type, sections

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def command_lines() -> Iterator[str]:
    for block in blocks("sh"):
        for line in block.splitlines():
            if line.startswith("localtune "):
                yield line.split("  #")[0]
    for line in MAKEFILE.splitlines():
        if "$(BIN)/localtune " in line and line.startswith("\t$"):
            yield line.strip().replace("$(BIN)/", "")


def section(command: str) -> str:
    """Return what stands under a command's heading."""
    found = re.search(rf"^### `localtune {command}\b.*?(?=^##)", README, re.M | re.S)
    assert found, f"README.md has no section for `localtune {command}`"
    return found[0]


def test_there_are_command_lines_to_check() -> None:
    assert len(list(command_lines())) >= len(cli.commands)


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_parses(line: str) -> None:
    name, *args = shlex.split(line)[1:]
    command = cli.commands[name]
    with click.Context(cli) as parent:
        context = command.make_context(name, args, parent=parent)
    assert context.protected_args == [] and context.args == []


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_documented_with_its_options(name: str) -> None:
    text = section(name)
    assert f"\nlocaltune {name}" in text, "an example"
    for option in cli.commands[name].params:
        of_build = name == "plan" and option.opts[0] in flags()
        if isinstance(option, click.Option) and "--debug" not in option.opts and not of_build:
            assert f"`{option.opts[0]}`" in text, f"{name} {option.opts[0]}"
    known = {opt for option in cli.commands[name].params for opt in option.opts}
    for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
        others = {
            opt for command in cli.commands.values() for p in command.params for opt in p.opts
        }
        assert flag in known or flag in others, f"{flag} doesn't exist"


@pytest.mark.parametrize("flag", flags())
def test_defaults_are_those_of_the_configuration(flag: str) -> None:
    found = re.search(rf"^\| `{flag}` \| .* \| ?(.*)\|$", section("build"), re.M)
    assert found, f"{flag} has no row"
    default = flags()[flag][1].default
    shown = (",".join(default) if isinstance(default, tuple) else str(default)) or "none"
    assert found[1].strip() == ("" if default is False else shown)


def test_the_config_file_is_one_that_can_be_read() -> None:
    (example,) = blocks("toml")
    from_dict(tomllib.loads(example)).check()
    listed = README.split("The tables are ")[1].split("\n\n")[0]
    for name in sections():
        for field in section_type(name).__dataclass_fields__:
            assert re.search(rf"\b{field}\b", listed), f"{name}.{field}"


def test_the_python_example_compiles() -> None:
    (example,) = blocks("python")
    compile(example, "README.md", "exec")


def test_local_links_and_pictures_lead_somewhere() -> None:
    shown = re.sub(r"<!--.*?-->", "", README, flags=re.S)
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", shown):
        assert (ROOT / target).exists(), target


def test_the_changelog_and_the_licence_are_there() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Dependencies")[1]
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        name = re.split(r"[><=\[]", wanted)[0]
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", table), name
