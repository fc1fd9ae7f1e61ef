"""What --teacher names: a GGUF file, or a server's address and model, and whether it is local."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localtune.config.stages import GGUF, KEY, OLLAMA, BuildConfig, LessonsConfig
from localtune.errors import ConfigError, InputError, ServerError
from localtune.progress import Progress

if TYPE_CHECKING:
    from localtune.lessons.teacher.server import Teacher

CLOUD = ("-cloud", ":cloud")  # models that Ollama itself asks elsewhere
MAX_PARAMETERS = 9_000_000_000  # of a teacher that is chosen unasked
QUICK_SECONDS = 10.0  # for the answer of a server that may not be there
MEMORY_FACTOR = 1.2  # of a model's file, for its context


def address(config: LessonsConfig) -> tuple[str, str]:
    """Return a teacher's URL, up to and with /v1, and its model's name, "" where none is given."""
    from localtune.ollama.host import server_url

    if config.teacher.startswith(OLLAMA):
        return f"{server_url()}/v1/", config.teacher.removeprefix(OLLAMA)
    url = config.teacher.rstrip("/")
    path = urlsplit(url).path
    return f"{url}/" if path else f"{url}/v1/", config.teacher_model


def teacher_file(config: LessonsConfig) -> Path | None:
    """Return the GGUF file that is the teacher, None for a server."""
    return Path(config.teacher).expanduser() if config.teacher.endswith(GGUF) else None


def choose_in_ollama() -> tuple[str, str]:
    """Return (name, reason) of the best instruct model of the Ollama on this machine.

    That is the largest by parameters that fits into the available memory and has a chat template.
    Returns ("", reason) where there is none. Models that Ollama runs elsewhere are never chosen,
    and an Ollama on another machine (OLLAMA_HOST) is never asked.
    """
    from localtune.ollama.host import is_this_machine, server_url

    url = server_url()
    if not is_this_machine(url):
        return "", f"OLLAMA_HOST is another machine ({urlsplit(url).hostname})"
    try:
        return _best_model()
    except ServerError:
        return "", "no Ollama answers on this machine"


def _best_model() -> tuple[str, str]:
    """Return what `choose_in_ollama` does. Raises ServerError."""
    import psutil

    with connected(LessonsConfig(teacher=f"{OLLAMA}any"), "any", quick=True) as teacher:
        models = teacher.local_models()
    memory = psutil.virtual_memory().available
    fitting = [
        model
        for model in models
        if not model.name.lower().endswith(CLOUD)
        and 100_000_000 <= model.parameters <= MAX_PARAMETERS
        and model.bytes * MEMORY_FACTOR <= memory
    ]
    for model in sorted(fitting, key=lambda model: (-model.parameters, -model.bytes, model.name)):
        named = LessonsConfig(teacher=f"{OLLAMA}{model.name}")
        with connected(named, model.name, quick=True) as teacher:
            if teacher.is_instruct() and not teacher.remote_host():
                size = f"{model.parameters / 1e9:.1f}B parameters"
                return model.name, f"the largest instruct model of Ollama here that fits ({size})"
    return "", f"none of Ollama's {len(models)} models is an instruct model that fits into memory"


def destination(config: LessonsConfig, model: str = "") -> str:
    """Return what a teacher's requests leave this machine for, "" if they stay on it.

    With a `model` its server is asked whether it passes requests on. Raises ServerError.
    """
    from localtune.ollama.host import is_this_machine

    if teacher_file(config):
        return ""
    url, named = address(config)
    name = model or named
    if not is_this_machine(url):
        return str(urlsplit(url).hostname)
    if name.lower().endswith(CLOUD):
        return f"Ollama's cloud ({name})"
    if not model:
        return ""
    with connected(config, model) as teacher:
        remote = teacher.remote_host()
    return f"{remote} ({name})" if remote else ""


def check_teacher(config: BuildConfig) -> None:
    """Refuse a teacher elsewhere with --offline, before anything is written. Raises ConfigError."""
    teacher = config.lessons
    if teacher.chosen == "teacher":
        _check_offline(config, destination(teacher))


def _check_offline(config: BuildConfig, where: str) -> None:
    if where and config.base.offline:
        raise ConfigError(
            f"--offline is set, but the teacher {config.lessons.teacher} isn't on this machine: "
            f"it is at {where}.",
            "Leave --offline away, or choose a teacher that runs here, such as ollama:NAME.",
        )


def warn_if_remote(config: BuildConfig, model: str, progress: Progress) -> None:
    """Say what leaves this machine for where, each time before a stage sends it.

    The address may have changed since the last stage (OLLAMA_HOST), and so may the model that a
    name in Ollama refers to. Raises ConfigError with --offline, ServerError.
    """
    where = destination(config.lessons, model)
    if not where:
        return
    _check_offline(config, where)
    private = config.corpus.keep_private
    how = "as they are" if private else "with private data replaced, as in `localtune corpus`"
    progress.warn(f"the passages of your documents are sent to {where}, {how}")
    url = urlsplit(address(config.lessons)[0])
    if url.scheme == "http" and url.hostname == where:
        progress.warn(f"the way to {where} is not encrypted: use https:// where others can listen")


def find_model(config: BuildConfig) -> str:
    """Return the name of a teacher's model.

    Raises ServerError where nobody answers, InputError or ConfigError where it can't be told, or
    must not be used.
    """
    lessons = config.lessons
    url, named = address(lessons)
    with connected(lessons, named) as teacher:
        models = teacher.models()
    if not named and len(models) != 1:
        listed = ", ".join(name[:80] for name in models[:20]) or "none"
        raise ConfigError(
            f"The teacher at {url} serves {len(models)} models: {listed}.",
            "Say which with --teacher-model.",
        )
    if lessons.teacher.startswith(OLLAMA) and not {named, f"{named}:latest"} & set(models):
        raise InputError(
            f"Ollama has no model {named!r}.", f"Fetch it with `ollama pull {named}` first."
        )
    model = named or models[0]
    where = destination(lessons, model)
    _check_offline(config, where)
    if where and not named and not destination(lessons):
        raise ConfigError(
            f"The only model at {url}, {model}, doesn't run there but at {where}.",
            f"Name it with --teacher-model {model} if your documents may be sent there.",
        )
    return model


@contextmanager
def connected(config: LessonsConfig, model: str, quick: bool = False) -> Iterator[Teacher]:
    """Yield a client of a teacher's server; `quick` gives up after seconds and one try."""
    from localtune.lessons.teacher.server import PATIENCE, TRIES, Teacher

    patience, tries = (QUICK_SECONDS, 1) if quick else (PATIENCE, TRIES)
    key = os.environ.get(KEY, "")
    url = address(config)[0]
    teacher = Teacher(url, model, key, config.parallel, patience=patience, tries=tries)
    try:
        yield teacher
    finally:
        teacher.close()
