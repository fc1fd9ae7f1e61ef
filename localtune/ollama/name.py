"""Names of models in Ollama: [HOST/][NAMESPACE/]MODEL[:TAG].

Source: types/model/name.go and internal/modelref/modelref.go of Ollama 0.33.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from localtune.errors import ConfigError

LONGEST = 80  # characters of a part
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
USUAL = ("registry.ollama.ai", "library", "latest")


@dataclass(frozen=True)
class Name:
    """A model's name, whole."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        """Return it as `ollama list` shows it: the tag always, the rest where it isn't usual."""
        host = "" if self.host.lower() == USUAL[0] else f"{self.host}/"
        namespace = "" if not host and self.namespace.lower() == USUAL[1] else f"{self.namespace}/"
        return f"{host}{namespace}{self.model}:{self.tag}"

    def same(self, other: Name) -> bool:
        """Whether Ollama takes both for one model; letter case doesn't count."""
        return str(self).lower() == str(other).lower()


def split_name(text: str) -> Name:
    """Take a model's name apart and add what is usual; checks nothing."""
    rest, tag = text, USUAL[2]
    if text.rfind(":") > text.rfind("/"):
        rest, _, tag = text.rpartition(":")
    *above, model = rest.rsplit("/", 2)
    namespace = above.pop() if above else USUAL[1]
    return Name(above.pop() if above else USUAL[0], namespace, model, tag)


def read_name(text: str) -> Name:
    """Read a model's name as Ollama does. Raises ConfigError for one that it would refuse.

    Refused besides are the tags `cloud`, `…-cloud` and `local`: newer versions read them as where a
    model runs, and send what is asked of the first two to ollama.com.
    """
    name = split_name(text)
    parts = (name.host, name.namespace, name.model, name.tag)
    for pattern, part in zip((HOST, NAMESPACE, PART, PART), parts, strict=True):
        if not pattern.fullmatch(part):
            raise _refused(text, f"{_cut(part)} is no part of one" if part else "a part is empty")
    if name.tag.lower() in ("cloud", "local") or name.tag.lower().endswith("-cloud"):
        raise _refused(text, f"Ollama reads the tag {name.tag!r} as a place where models run")
    return name


def listed(name: Name, models: Iterable[str]) -> str | None:
    """Return a model's name as a server lists it, None where the server hasn't the model."""
    return next((model for model in models if name.same(split_name(model))), None)


def valid_name(text: str) -> str:
    """Return the nearest name that Ollama takes: "Größe 2" becomes "grosse-2"."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ẞ", "ss"))
    plain = plain.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._]+", "-", plain).lstrip("-.")[:LONGEST].rstrip("-.") or "model"


def _refused(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{_cut(text)} is no name for a model in Ollama: {why}.",
        f"A name is made of up to {LONGEST} letters, digits, '.', '_' and '-', with a tag behind a "
        f"colon if you like, such as {valid_name(text.partition(':')[0])}:latest.",
    )


def _cut(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
