"""A name, or a build -> its model is deleted from an Ollama server, if it is certain which."""

from __future__ import annotations

from pathlib import Path

from localtune.build.job import Build
from localtune.build.open_build import open_build
from localtune.deploy.installed import InstalledModel, forget, installed_models
from localtune.errors import InputError
from localtune.ollama.client import Ollama
from localtune.ollama.host import server_url
from localtune.ollama.name import listed, read_name, valid_name
from localtune.progress import Progress


def uninstall(model: str, host: str, progress: Progress) -> list[InstalledModel]:
    """Delete a model by its name, or those that were installed from a build; return them.

    The build's own files stay. Raises LocaltuneError.
    """
    if (Path(model).expanduser() / "work" / "build.json").is_file():
        build = open_build(Path(model))
        with build.at.hold():
            return _uninstall_build(build, host, progress)
    name, url = read_name(model), server_url(host)
    with Ollama(url) as server:
        server.version()
        digests = server.digests()
        found = listed(name, digests)
        if found is None:
            raise _not_there(url, str(name), digests)
        server.delete(found)
    return [InstalledModel(found, url)]


def _uninstall_build(build: Build, host: str, progress: Progress) -> list[InstalledModel]:
    """Delete what `install` recorded for a server, unless another model has that name by now."""
    recorded = installed_models(build)
    url = server_url(host or (recorded[-1].url if recorded else ""))
    ours = [model for model in recorded if model.url == url]
    if not ours:
        raise InputError(
            f"No model of the build {build.at.folder} was installed to {url}, as far as it is "
            "recorded, so nothing was deleted.",
            f"To delete a model by its name: `localtune uninstall {valid_name(build.at.name)}`.",
        )
    with Ollama(url) as server:
        server.version()
        digests = server.digests()
        names = {model: listed(read_name(model.name), digests) for model in ours}
        same = [m for m in ours if m.digest and digests.get(names[m] or "") == m.digest]
        for model in same:
            server.delete(names[model] or "")
    forget(build, [model for model in ours if model in same or names[model] is None])
    changed = [model.name for model in ours if model not in same and names[model]]
    if not same:
        raise _changed(changed, url) if changed else _not_there(url, ours[-1].name, digests)
    for name in changed:
        progress.warn(_changed([name], url).message)
    return same


def _changed(names: list[str], url: str) -> InputError:
    return InputError(
        f"{', '.join(names)} in Ollama at {url} isn't known to be what was installed from this "
        "build, so it was not deleted.",
        f"To delete it all the same, give its name: `localtune uninstall {names[-1]}`.",
    )


def _not_there(url: str, name: str, models: dict[str, str]) -> InputError:
    there = f"It has {', '.join(models)}." if models else "It has none."
    return InputError(f"Ollama at {url} has no model {name}.", there)
