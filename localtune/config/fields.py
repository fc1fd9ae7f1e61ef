"""The fields of stages.py: their sections, flags and values."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from localtune.config.stages import BuildConfig


def sections() -> tuple[str, ...]:
    """Return the names of the stages' configurations, in the order of the stages."""
    specs = dataclasses.fields(BuildConfig)
    return tuple(spec.name for spec in specs if dataclasses.is_dataclass(spec.default))


def section_type(section: str) -> type[Any]:
    """Return the dataclass of a section; "" is the whole build."""
    hints = {"": BuildConfig, **typing.get_type_hints(BuildConfig)}
    return typing.cast("type[Any]", hints[section])


def options_of(section: str) -> list[dataclasses.Field[Any]]:
    """Return the fields of a section that are options, "" for those of the whole build."""
    return [spec for spec in dataclasses.fields(section_type(section)) if "help" in spec.metadata]


def flag_of(spec: dataclasses.Field[Any]) -> str:
    """Return a field's option name, such as --max-length; "" for a key of localtune.toml only."""
    flag = spec.metadata["flag"]
    return "" if flag is None else flag or "--" + spec.name.replace("_", "-")


def flags() -> dict[str, tuple[str, dataclasses.Field[Any]]]:
    """Return {"--max-length": ("train", field)} for every flag; "" is the whole build."""
    return {
        flag: (section, spec)
        for section in ("", *sections())
        for spec in options_of(section)
        if (flag := flag_of(spec))
    }


def locked_values(config: Any) -> dict[str, Any]:
    """Return the values of one section that an artefact depends on, as JSON would hold them."""
    locked = [f for f in dataclasses.fields(config) if f.metadata.get("lock", True)]
    return {f.name: _plain(getattr(config, f.name)) for f in locked}


def to_dict(config: BuildConfig) -> dict[str, Any]:
    """Return the name and every option, as JSON would hold them; file.from_dict reads them back."""
    stages = {name: _values(getattr(config, name), name) for name in sections()}
    return {"name": config.name, **_values(config, ""), **stages}


def _values(config: Any, section: str) -> dict[str, Any]:
    return {spec.name: _plain(getattr(config, spec.name)) for spec in options_of(section)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
