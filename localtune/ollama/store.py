"""The models that Ollama has on this machine: a name -> its files. Starts no Ollama.

Source of the layout: manifest/paths.go and types/model/name.go of Ollama 0.33: a name is
[HOST/][NAMESPACE/]MODEL[:TAG], its manifest lies in manifests/HOST/NAMESPACE/MODEL/TAG, what that
names in blobs/sha256-DIGEST.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.errors import BaseModelError
from localtune.ollama.reply import json_object

HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
SERVICE = Path("/usr/share/ollama/.ollama/models")  # of the service that the installer sets up
LAYER = "application/vnd.ollama.image."
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


@dataclass(frozen=True)
class OllamaModel:
    """A model's files: its GGUF, and what its Modelfile said. `template` is Go's, "" for none.

    `sees`: there is a projector, which isn't part of the text model; `speaks_first`
    that a model made FROM it always shows more than system prompt and template: MESSAGEs, or what
    a RENDERER or PARSER of Ollama's makes of them.
    """

    name: str
    gguf: Path
    template: str
    system: str
    licence: str
    parameters: dict[str, Any]
    sees: bool
    speaks_first: bool = False


def find(name: str) -> OllamaModel:
    """Return a model of the store by its name in Ollama, such as llama3.2:1b or user/x.

    Raises BaseModelError where there is no store, no such model, a file of it is missing or may
    not be read, or where the model is a base with an adapter.
    """
    host, namespace, model, tag = _parts(name)
    stores, forbidden = _stores()
    for store in stores:
        manifest = store / "manifests" / host / namespace / model / tag
        if _exists(manifest):
            return _read(name, store, manifest)
    if forbidden:
        raise forbidden
    if stores:
        raise _unknown(name, stores)
    raise BaseModelError(
        f"There is no store of Ollama's: {', '.join(map(str, folders()))} was looked at.",
        "Fetch the model with `ollama pull`, or set OLLAMA_MODELS to the folder that Ollama keeps "
        "its models in.",
    )


def folders() -> list[Path]:
    """Return the folders that Ollama keeps models in, those that are tried first first."""
    given = os.environ.get("OLLAMA_MODELS")
    if given:
        return [Path(given).expanduser()]
    return [Path.home() / ".ollama" / "models", SERVICE]


def all_names() -> list[str]:
    """Return the names of the models of all stores that may be read, each once."""
    return list(dict.fromkeys(known for store in _stores()[0] for known in names(store)))


def names(store: Path) -> list[str]:
    """Return the names of a store's models, as `ollama list` shows them."""
    found = []
    for file in sorted((store / "manifests").glob("*/*/*/*")):
        host, namespace, model, tag = file.relative_to(store / "manifests").parts
        if not tag.startswith("."):
            front = "" if host == HOST else f"{host}/"
            front += "" if namespace == NAMESPACE and not front else f"{namespace}/"
            found.append(f"{front}{model}:{tag}")
    return found


def _parts(name: str) -> tuple[str, str, str, str]:
    """Return host, namespace, model and tag; raise BaseModelError for what is no name."""
    *front, last = name.split("/")
    model, _, tag = last.partition(":")
    wanted = [*[HOST, NAMESPACE][: 2 - len(front)], *front, model, tag or TAG]
    if len(front) > 2 or not all(PART.fullmatch(p) for p in wanted) or ".." in name:
        raise BaseModelError(
            f"{name!r} is no name of a model in Ollama.",
            "Give one as `ollama list` shows it, such as ollama:llama3.2:1b.",
        )
    return wanted[0], wanted[1], wanted[2], wanted[3]


def _unknown(name: str, stores: list[Path]) -> BaseModelError:
    near = difflib.get_close_matches(name, all_names(), n=3, cutoff=0.3)
    wanted = f"Near it: {', '.join(near)}. " if near else "It has none near it. "
    return BaseModelError(
        f"Ollama has no model {name!r} in {', '.join(map(str, stores))}.",
        f"{wanted}Fetch it with `ollama pull {name}`; OLLAMA_MODELS names another folder.",
    )


def _read(name: str, store: Path, manifest: Path) -> OllamaModel:
    layers = list(_layers(manifest))
    kinds = [kind for kind, _ in layers]
    if "adapter" in kinds:
        raise BaseModelError(
            f"{name} is itself an adapter upon another model.",
            "Give the model that it lies upon.",
        )
    if kinds.count("model") != 1:
        raise BaseModelError(
            f"{name} holds {kinds.count('model')} model files, and one is wanted.",
            "Fetch it again with `ollama pull`, or choose another base.",
        )
    texts = {kind: _text(store, name, digest) for kind, digest in layers if kind in TEXTS}
    licences = [_text(store, name, digest) for kind, digest in layers if kind == "license"]
    gguf = next(_blob(store, name, digest) for kind, digest in layers if kind == "model")
    return OllamaModel(
        name=name,
        gguf=gguf,
        template=texts.get("template", ""),
        system=texts.get("system", ""),
        licence="\n\n".join(licences),
        parameters=json_object(texts.get("params", "{}")),
        sees="projector" in kinds,
        speaks_first="messages" in kinds or _has_renderer(store, manifest),
    )


TEXTS = ("template", "system", "params")


def _layers(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and the digest of each layer."""
    try:
        found = json.loads(_contents(manifest))["layers"]
        for layer in found:
            kind, digest = str(layer["mediaType"]), DIGEST.fullmatch(layer["digest"])
            if digest and kind.startswith(LAYER):
                yield kind.removeprefix(LAYER), digest[1]
    except (ValueError, KeyError, TypeError) as error:
        raise BaseModelError(
            f"{manifest} is no manifest of Ollama's.", "Fetch the model again with `ollama pull`."
        ) from error


def _has_renderer(store: Path, manifest: Path) -> bool:
    """Whether a model's configuration names a prompt renderer or a parser that Ollama has."""
    try:
        digest = DIGEST.fullmatch(json.loads(_contents(manifest))["config"]["digest"])
        file = store / "blobs" / f"sha256-{digest[1]}" if digest else None
        found = json_object(_contents(file)) if file and file.is_file() else {}
    except (ValueError, KeyError, TypeError):
        return False
    return bool(found.get("renderer") or found.get("parser"))


def _blob(store: Path, name: str, digest: str) -> Path:
    """Return a blob's file; raise BaseModelError where it is missing or may not be read."""
    file = store / "blobs" / f"sha256-{digest}"
    try:
        file.open("rb").close()
    except FileNotFoundError as error:
        raise BaseModelError(
            f"{name} lacks the file {file}.", f"Fetch it again: `ollama pull {name}`."
        ) from error
    except OSError as error:
        raise _forbidden(file, error) from error
    return file


def _text(store: Path, name: str, digest: str) -> str:
    return _contents(_blob(store, name, digest))


def _contents(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _forbidden(file, error) from error


def _stores() -> tuple[list[Path], BaseModelError | None]:
    """Return the stores that are there, and the error of one that may not be read."""
    found, forbidden = [], None
    for folder in folders():
        try:
            next((folder / "manifests").iterdir(), None)
            found.append(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            forbidden = _forbidden(folder, error)
    return found, forbidden


def _exists(manifest: Path) -> bool:
    try:
        return manifest.is_file()
    except OSError as error:
        raise _forbidden(manifest, error) from error


def _forbidden(file: Path, error: OSError) -> BaseModelError:
    return BaseModelError(
        f"{file} can't be read: {error.strerror}.",
        "The service keeps its models to itself: join its group (`sudo usermod -aG ollama $USER`, "
        "then log in again), or copy the file and give it as --base FILE.gguf.",
    )
