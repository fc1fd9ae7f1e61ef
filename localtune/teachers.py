"""What --teacher names: the server's address, its model, and whether it is on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localtune.config import KEY, OLLAMA, BuildConfig, LessonsConfig
from localtune.errors import ConfigError, InputError
from localtune.progress import Progress

if TYPE_CHECKING:
    from localtune.runtimes.teacher import Teacher

CLOUD = ("-cloud", ":cloud")  # models that Ollama itself asks elsewhere


def address(config: LessonsConfig) -> tuple[str, str]:
    """Return a teacher's URL, up to and with /v1, and its model's name, "" where none is given."""
    from localtune.runtimes.ollama_host import server_url

    if config.teacher.startswith(OLLAMA):
        return f"{server_url()}/v1/", config.teacher.removeprefix(OLLAMA)
    url = config.teacher.rstrip("/")
    path = urlsplit(url).path
    return f"{url}/" if path else f"{url}/v1/", config.teacher_model


def leaves(config: LessonsConfig) -> bool:
    """Whether what a teacher is asked leaves this machine."""
    from localtune.runtimes.ollama_host import is_this_machine

    url, model = address(config)
    return not is_this_machine(url) or model.endswith(CLOUD)


def check_teacher(config: BuildConfig) -> None:
    """Refuse a teacher elsewhere with --offline, before anything is written. Raises ConfigError."""
    teacher = config.lessons
    if teacher.chosen == "teacher" and config.base.offline and leaves(teacher):
        raise ConfigError(
            f"--offline is set, but the teacher {teacher.teacher} isn't on this machine.",
            "Leave --offline away, or choose a teacher that runs here, such as ollama:NAME.",
        )


def tell_of(config: LessonsConfig, keep_private: bool, progress: Progress) -> None:
    """Say what leaves the machine, where something does."""
    if not leaves(config):
        return
    url, model = address(config)
    where = f"Ollama's cloud ({model})" if model.endswith(CLOUD) else str(urlsplit(url).hostname)
    how = "as they are" if keep_private else "with private data replaced, as in `localtune corpus`"
    progress.warn(f"the passages of your documents are sent to {where}, {how}")
    if url.startswith("http://") and not model.endswith(CLOUD):
        progress.warn(f"the way to {where} is not encrypted: use https:// where others can listen")


def find_model(config: LessonsConfig) -> str:
    """Return the name of a teacher's model.

    Raises ServerError where nobody answers, InputError or ConfigError where it can't be told.
    """
    url, named = address(config)
    with connected(config, named) as teacher:
        models = teacher.models()
    if not named and len(models) != 1:
        listed = ", ".join(models[:20]) or "none"
        raise ConfigError(
            f"The teacher at {url} serves {len(models)} models: {listed}.",
            "Say which with --teacher-model.",
        )
    if config.teacher.startswith(OLLAMA) and not {named, f"{named}:latest"} & set(models):
        raise InputError(
            f"Ollama has no model {named!r}.", f"Fetch it with `ollama pull {named}` first."
        )
    return named or models[0]


@contextmanager
def connected(config: LessonsConfig, model: str) -> Iterator[Teacher]:
    from localtune.runtimes.teacher import Teacher

    teacher = Teacher(address(config)[0], model, os.environ.get(KEY, ""), config.parallel)
    try:
        yield teacher
    finally:
        teacher.close()
