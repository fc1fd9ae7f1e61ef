"""From flags, localtune.toml and the defaults to one checked BuildConfig.

A flag is stronger than localtune.toml, which is stronger than the default. An unknown key is an
error that names the keys there are.
"""

from __future__ import annotations

import tomllib
import typing
from pathlib import Path
from typing import Any

from localtune.config.fields import flags, options_of, section_type, sections
from localtune.config.stages import BuildConfig
from localtune.errors import ConfigError

GENERAL = {"name": str, "seed": int}  # the keys above the tables


def from_dict(values: dict[str, Any], source: str = "the configuration") -> BuildConfig:
    """Build a configuration from {section: {key: value}}; raise ConfigError at an unknown key."""
    known: dict[str, Any] = {}
    for key, value in values.items():
        if key in GENERAL:
            known[key] = _converted(value, GENERAL[key], key, source)
        elif key in sections():
            known[key] = _section(key, value, source)
        else:
            raise ConfigError(
                f"{source}: unknown key {key!r}.",
                f"Known are {', '.join(GENERAL)} and the tables {', '.join(sections())}.",
            )
    return BuildConfig(**known)


def _section(section: str, values: object, source: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source}: {section} must be a table.", f"Write [{section}] above its keys."
        )
    kind = section_type(section)
    types = typing.get_type_hints(kind)
    hints = {spec.name: types[spec.name] for spec in options_of(section)}
    for key in values:
        if key not in hints:
            known = ", ".join(hints) or "no keys"
            raise ConfigError(f"{source}: unknown key {key!r} in [{section}].", f"Known: {known}.")
    return kind(
        **{
            key: _converted(value, hints[key], f"{section}.{key}", source)
            for key, value in values.items()
        }
    )


def _converted(value: object, kind: Any, where: str, source: str) -> Any:
    """Check a TOML value against the field's type; a whole number may stand for a float."""
    if kind is float and type(value) is int:
        return float(value)
    if typing.get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise ConfigError(f"{source}: {where} must be a list of texts.", 'Such as ["Q4_K_M"].')
    if type(value) is not kind:
        name = {
            str: "a text in quotes",
            int: "a whole number",
            float: "a number",
            bool: "true or false",
        }[kind]
        raise ConfigError(
            f"{source}: {where} is {value!r}, but it must be {name}.", f"Change {where}."
        )
    return value


def load(file: Path | None, flags: dict[str, dict[str, Any]], name: str = "") -> BuildConfig:
    """Read localtune.toml, lay the given flags over it and check every value.

    `flags` holds {section: {key: value}} of what was given on the command line only; "" is the
    whole build.
    Raises ConfigError, naming the file and key, or the flag.
    """
    values = _read_toml(file) if file else {}
    from_dict(values, str(file))
    merged = {**values, **flags.get("", {})}
    for section in flags.keys() - {""}:
        merged[section] = {**merged.get(section, {}), **flags[section]}
    if name:
        merged["name"] = name
    config = from_dict(merged)
    config.check()
    return config


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}.", "Check --config.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}", "Mend that line.") from error


def sections_of_options(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort {"max_length": 512} by section; None means not given; raise ConfigError if unknown.

    The section "" is the whole build. A tuple of texts may be given as one text with commas.
    """
    known, sorted_options = flags(), dict[str, dict[str, Any]]()
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if flag not in known:
            raise ConfigError(f"There is no option {name!r}.", f"Known: {', '.join(known)}.")
        section, spec = known[flag]
        if isinstance(spec.default, tuple) and isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        if value is not None:
            sorted_options.setdefault(section, {})[spec.name] = value
    return sorted_options
