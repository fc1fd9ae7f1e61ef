"""Which base is meant, and its shape: from a folder, a GGUF, the Hub's cache, or the catalogue."""

from __future__ import annotations

from typing import Any

from localtune.bases.catalogue import find
from localtune.bases.sources import gguf_of
from localtune.config.stages import BaseConfig
from localtune.errors import BaseModelError
from localtune.estimate.local_bases import config_of
from localtune.estimate.shape import Base
from localtune.loading import UNTRUSTED, not_loaded
from localtune.workspace import read_json


def base_of(chosen: BaseConfig) -> Base:
    """Find a base without fetching its weights. Raises BaseModelError."""
    from localtune.bases.fetch import cached, check_base

    entry = find(chosen.base)
    if folder := chosen.folder():
        check_base(folder)
        return Base(chosen.base, read_json(folder / "config.json"), folder, True, entry)
    if gguf := gguf_of(chosen):
        return Base(chosen.base, config_of(gguf), None, True, None)
    if folder := cached(chosen):
        check_base(folder)
        return Base(chosen.base, read_json(folder / "config.json"), folder, True, entry)
    if chosen.offline:
        raise BaseModelError(
            f"The base {chosen.base!r} is not in the local cache, and --offline is set.",
            "Plan without --offline, or use --base tiny or a local folder.",
        )
    config = entry.config if entry else _from_hub(chosen)
    return Base(chosen.base, config, None, False, entry)


def is_cached(name: str) -> bool:
    """Whether a base of the catalogue needs no network."""
    from localtune.bases.fetch import cached

    chosen = BaseConfig(base=name)
    return bool(chosen.folder() or cached(chosen))


def _from_hub(chosen: BaseConfig) -> dict[str, Any]:
    """Fetch the config.json of a base that the catalogue doesn't know: a few kB."""
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(
            chosen.base, revision=chosen.revision or "main", **UNTRUSTED
        )
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise not_loaded(error) from error
        raise BaseModelError(
            f"The shape of {chosen.base!r} isn't known here, and its config.json can't be "
            f"fetched: {str(error).splitlines()[0]}",
            "Check the id and the connection; for a gated model accept its licence and log in "
            "with `hf auth login`.",
        ) from error
    return dict(found.to_dict())
