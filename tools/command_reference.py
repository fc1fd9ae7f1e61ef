"""Write docs/reference/commands.md and configuration.md from click and the configuration.

    python tools/command_reference.py [--check]

`--check` writes nothing and exits with 1 if a page is not current.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import click

from localtune.cli.main import TITLES, cli
from localtune.config.fields import flag_of, flags, options_of, section_type, sections

PAGES = Path(__file__).parents[1] / "docs" / "reference"
COMMANDS_HEAD = """\
# Commands

Written by `python tools/command_reference.py` from `localtune --help`; do not edit.

Every command also takes `--debug`, which shows the traceback of an error, and `--help`.
`localtune --version` prints the version. Data goes to stdout; progress and warnings go to stderr.
Exit codes: 0 success, 1 an error with a hint, 2 wrong usage, 130 interrupted with Ctrl-C.
"""
CONFIGURATION_HEAD = """\
# Configuration

Written by `python tools/command_reference.py` from the configuration; do not edit.

`localtune build DOCS --config localtune.toml` reads options from a file. Each stage has one table.
A flag overrides the file, and the file overrides the default. An unknown key is an error.
A key without a flag can only be set in the file.

```toml
name = "handbook"

[corpus]
passage_tokens = 512

[base]
base = "tiny"

[train]
rank = 32
steps = 400

[quantize]
levels = ["Q4_K_M", "Q8_0"]
```

`name` is the model's name (`--name`). The other keys are listed below.
"""
CONFIGURED = "Options of the stages are listed in [configuration](configuration.md):"
TYPES = {"int": "integer", "float": "number", "bool": "true or false", "str": "string"}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    head = list(head)
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def usage(name: str, command: click.Command) -> str:
    """Return a command with its arguments, such as `localtune ask BUILD QUESTION`."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    with click.Context(command) as context:
        return " ".join(["localtune", name, *(p.make_metavar(context) for p in arguments)])


def option_row(option: click.Option) -> tuple[str, str, str, str]:
    """Return flag, value, meaning and default of an option."""
    text, _, default = (option.help or "").partition("[default: ")
    if not default and option.show_default:
        default = str(option.default)
    context = click.Context(click.Command("localtune"))
    value = "" if option.is_flag else f"`{option.make_metavar(context)}`"
    required = "required" if option.required else ""
    return f"`{option.opts[0]}`", value, text.strip(), required or default.rstrip("]")


def command_lines(name: str, command: click.Command) -> Iterator[str]:
    """Yield the section of one command; options of the stages are only named."""
    yield from (f"\n## `{usage(name, command)}`\n", inspect.cleandoc(command.help or ""), "")
    options = [p for p in command.params if isinstance(p, click.Option)]
    of_stages = [o for o in options if o.opts[0] in flags() and name in ("build", "plan")]
    rows = [option_row(o) for o in options if o.opts[0] != "--debug" and o not in of_stages]
    if rows:
        yield from table(("option", "value", "meaning", "default"), rows)
    if of_stages:
        yield f"\n{CONFIGURED} " + ", ".join(f"`{o.opts[0]}`" for o in of_stages) + "."


def commands_page() -> str:
    """Return docs/reference/commands.md."""
    lines = [COMMANDS_HEAD.rstrip()]
    for name, command in sorted(cli.commands.items()):
        lines += command_lines(name, command)
    return "\n".join(lines) + "\n"


def field_row(section: str, field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Return key, flag, type, meaning and default of a field."""
    kind = get_type_hints(section_type(section))[field.name]
    name = TYPES.get(getattr(kind, "__name__", ""), "list of strings")
    default = field.default
    shown = ",".join(default) if isinstance(default, tuple) else str(default)
    shown = shown.lower() if isinstance(default, bool) else shown or "none"
    unit = f" ({field.metadata['unit']})" if field.metadata["unit"] else ""
    flag = f"`{flag_of(field)}`" if flag_of(field) else "none"
    return f"`{field.name}`", flag, name + unit, field.metadata["help"], shown


def configuration_page() -> str:
    """Return docs/reference/configuration.md."""
    lines = [CONFIGURATION_HEAD.rstrip()]
    for section in ("", *sections()):
        title = f"`[{section}]`: {TITLES[section].lower()}" if section else "Above the tables"
        lines += [f"\n## {title}\n"]
        rows = [field_row(section, field) for field in options_of(section)]
        lines += table(("key", "flag", "type", "meaning", "default"), rows)
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Return {file: text} of both pages."""
    texts = {"commands.md": commands_page(), "configuration.md": configuration_page()}
    return {PAGES / name: re.sub(r"[ \t]+\n", "\n", text) for name, text in texts.items()}


def main(check: bool) -> int:
    """Write the pages, or only compare them; return the exit code."""
    written = pages()
    if check:
        return int(any(page.read_text(encoding="utf-8") != text for page, text in written.items()))
    for page, text in written.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
