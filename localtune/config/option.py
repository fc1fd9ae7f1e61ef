"""One option of a configuration: declared, and checked."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from localtune.errors import ConfigError


def option(
    default: Any, help: str, unit: str = "", flag: str | None = "", lock: bool = True
) -> Any:
    """Declare one option: a dataclass field that carries its help.

    `unit` is shown behind the help; `flag` is the option's name where it isn't the field's, None
    for a key of localtune.toml without a flag; `lock` is False where a change can't change the
    artefact, so that nothing runs again.
    """
    metadata = {"help": help, "unit": unit, "flag": flag, "lock": lock}
    return field(default=default, metadata=metadata)


def require(ok: bool, flag: str, value: object, rule: str) -> None:
    """Raise ConfigError, naming the flag or key, unless the value is `ok`."""
    if not ok:
        raise ConfigError(f"{flag} is {value!r}, but it must be {rule}.", f"Change {flag}.")
