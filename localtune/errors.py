"""The exception tree: every error a person may see carries a message and what to do about it."""

from __future__ import annotations


class LocaltuneError(Exception):
    """Something a person can act on: `message` says what is wrong, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(LocaltuneError):
    """The documents, or another file a person gave, can't be used."""


class UnreadableError(LocaltuneError):
    """One file can't be read; `message` is the reason that is listed for it."""


class ConfigError(LocaltuneError):
    """An option, or a key of localtune.toml, has a value that can't be used."""


class BaseModelError(LocaltuneError):
    """The base isn't there, or isn't one that can be tuned."""


class BuildInUseError(LocaltuneError):
    """Another process works in this build folder."""


class DiskFullError(LocaltuneError):
    """There is no room left for an artefact."""


class TrainingError(LocaltuneError):
    """Training could not go on."""


class ExportError(LocaltuneError):
    """The tuned model could not be written as GGUF."""


class UnsupportedError(ExportError):
    """A model that localtune's own converter doesn't know; llama.cpp's may."""


class RuntimeFileError(LocaltuneError):
    """llama.cpp could not load or use a GGUF."""


class EvaluationError(LocaltuneError):
    """An exam can't be asked, or the shipped file doesn't do what the trained model does."""


class HubError(LocaltuneError):
    """The Hugging Face Hub refuses something, or can't be reached."""


class ServerError(LocaltuneError):
    """A server, such as Ollama, doesn't answer, or refuses what is asked of it."""
