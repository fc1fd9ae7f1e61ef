"""The models that `localtune install` made of a build: work/installed.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localtune.build.job import Build
from localtune.errors import InputError
from localtune.workspace import read_json, write_json


@dataclass(frozen=True)
class InstalledModel:
    """A model in an Ollama server: its name there, the server's URL, and what it was made from.

    `digest` is that of the model in the server's list, "" where the server named none.
    """

    name: str
    url: str
    level: str = ""
    digest: str = ""


def installed_models(build: Build) -> list[InstalledModel]:
    """Return the models installed from a build, the latest last; none if the file is unusable."""
    try:
        kept = read_json(build.at.installed)
        # Earlier versions kept one object, without a digest.
        return [_model(row) for row in (kept if isinstance(kept, list) else [kept])]
    except (InputError, KeyError, TypeError, AttributeError):
        return []


def _model(row: dict[str, object]) -> InstalledModel:
    level, digest = (str(row.get(key, "")) for key in ("level", "digest"))
    return InstalledModel(str(row["name"]), str(row["url"]), level, digest)


def record(build: Build, model: InstalledModel) -> None:
    """Add a model to the record, in place of an earlier one of that name on that server."""
    others = [m for m in installed_models(build) if (m.name, m.url) != (model.name, model.url)]
    write_json(build.at.installed, [vars(m) for m in (*others, model)])


def forget(build: Build, models: Iterable[InstalledModel]) -> None:
    """Remove models from the record, and the file with the last of them."""
    gone = list(models)
    left = [vars(m) for m in installed_models(build) if m not in gone]
    if left:
        write_json(build.at.installed, left)
    else:
        build.at.installed.unlink(missing_ok=True)
