"""The fields of stages.py: their sections, flags and values."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from localtune.config.stages import BuildConfig


def sections() -> tuple[str, ...]:
    """Return the names of the stages' configurations, in the order of the stages."""
    return tuple(f.name for f in dataclasses.fields(BuildConfig) if f.name != "name")


def section_type(section: str) -> type[Any]:
    """Return the dataclass of a section."""
    hints = typing.get_type_hints(BuildConfig)
    return typing.cast("type[Any]", hints[section])


def flag_of(spec: dataclasses.Field[Any]) -> str:
    """Return a field's option name, such as --max-length; "" for a key of localtune.toml only."""
    flag = spec.metadata["flag"]
    return "" if flag is None else flag or "--" + spec.name.replace("_", "-")


def flags() -> dict[str, tuple[str, dataclasses.Field[Any]]]:
    """Return {"--max-length": ("train", field)} for every flag of every stage."""
    return {
        flag: (section, spec)
        for section in sections()
        for spec in dataclasses.fields(section_type(section))
        if (flag := flag_of(spec))
    }


def locked_values(config: Any) -> dict[str, Any]:
    """Return the values of one section that an artefact depends on, as JSON would hold them."""
    locked = [f for f in dataclasses.fields(config) if f.metadata.get("lock", True)]
    return {f.name: _plain(getattr(config, f.name)) for f in locked}


def to_dict(config: BuildConfig) -> dict[str, Any]:
    """Return every value, as JSON would hold it; configfile.from_dict reads it back."""
    return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(config)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value
