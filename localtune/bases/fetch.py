"""The base: the built-in `tiny`, a local folder or a Hub id -> the build's base/ folder.

The only importer of huggingface_hub. Weights are linked, not copied; only safetensors are taken.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

from localtune.config.stages import GGUF, TINY, BaseConfig
from localtune.errors import BaseModelError, LocaltuneError
from localtune.links import WEIGHTS, check_model
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path, read_json

COMMIT = re.compile("[0-9a-f]{40}")
WANTED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "*.safetensors",
    "*.safetensors.index.json",
    "LICENSE*",
    "README.md",
)


def fetch_base(config: BaseConfig, destination: Path, progress: Progress = Silent()) -> Path:
    """Fill `destination` with the base's files and return it.

    Large files are symbolic links to where they lie. Raises BaseModelError where the base isn't
    there, isn't cached and `offline` is set, or holds no safetensors.
    """
    folder = config.folder() or _of_commit(config) or _from_hub(config, progress)
    check_base(folder)
    with atomic_path(destination) as temporary:
        temporary.mkdir()
        for pattern in WANTED:
            for file in filter(Path.is_file, folder.glob(pattern)):
                target = temporary / file.name
                if file.suffix == ".safetensors":
                    target.symlink_to(file.resolve())
                elif file.suffix not in WEIGHTS:
                    shutil.copyfile(file, target)
    return destination


def check_base(folder: Path) -> None:
    """Raise BaseModelError unless the folder holds a configuration, a tokenizer and safetensors.

    Raises InputError for a link out of it.
    """
    if folder != BaseConfig(TINY).folder():  # its files may be links, if it was installed so
        check_model(folder)
    what = {
        "config.json": "config.json",
        "tokenizer*": "tokenizer",
        "*.safetensors": "safetensors",
    }
    missing = [said for pattern, said in what.items() if not list(folder.glob(pattern))]
    if missing:
        raise BaseModelError(
            f"The base {folder} holds no {' and no '.join(missing)}.",
            "Give --base a folder saved by transformers' save_pretrained, a Hub id, or tiny.",
        )


def _from_hub(config: BaseConfig, progress: Progress) -> Path:
    if config.base.startswith((".", "/", "~")) or config.base.count("/") != 1:
        raise BaseModelError(
            f"There is no base {config.base!r}.",
            "Give --base tiny, a folder that exists, or a Hub id such as Qwen/Qwen3-0.6B.",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    progress.note(f"looking for {config.base} on the Hub")
    try:
        return Path(
            snapshot_download(
                config.base,
                revision=config.revision or None,
                allow_patterns=list(WANTED),
                local_files_only=config.offline,
            )
        )
    except LocalEntryNotFoundError as error:
        why = "--offline is set" if config.offline else "the Hub can't be reached"
        raise BaseModelError(
            f"The base {config.base!r} is not in the local cache, and {why}.",
            "Run once with a connection, or use --base tiny or a local folder.",
        ) from error
    except GatedRepoError as error:
        raise BaseModelError(
            f"The base {config.base!r} is gated: its owners ask for your consent to their terms, "
            "and the Hub doesn't know you.",
            f"Accept them at https://huggingface.co/{config.base}, log in with `hf auth login` (or "
            "set HF_TOKEN), and run it again.",
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BaseModelError(
            f"The base {config.base!r} could not be fetched: {str(error).splitlines()[0]}",
            "Check the id and the connection; for a private model log in with `hf auth login`.",
        ) from error


def _of_commit(config: BaseConfig) -> Path | None:
    """Return the folder of a commit that is on this machine; a commit never changes."""
    return cached(config) if COMMIT.fullmatch(config.revision) else None


def commit_of(config: BaseConfig) -> str:
    """Return the commit that a base on the Hub is at, "" where neither Hub nor cache can say.

    Without a connection, or with `offline`, that of the cache.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]

    if not config.offline:
        try:
            info = HfApi().model_info(config.base, revision=config.revision or None, timeout=10)
            return info.sha or ""
        except (HTTPError, HFValidationError, OSError):
            pass
    folder = cached(config)
    return folder.name if folder else ""


def cached_ggufs() -> list[tuple[str, Path]]:
    """Return (repository, file) of every GGUF file in the Hub's cache."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    return [
        (repo.repo_id, file.file_path)
        for repo in repos
        if repo.repo_type == "model"
        for revision in repo.revisions
        for file in revision.files
        if file.file_name.endswith(GGUF)
    ]


def cached(config: BaseConfig) -> Path | None:
    """Return the cached folder of a base from the Hub, None if it is missing or incomplete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            config.base, revision=config.revision or None, local_files_only=True
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return Path(found) if _is_whole(Path(found)) else None


def _is_whole(folder: Path) -> bool:
    """Whether a folder holds a base with every file that its index of weights names."""
    try:
        check_base(folder)
        indices = [read_json(file) for file in folder.glob("*.safetensors.index.json")]
    except LocaltuneError:
        return False
    return all(
        (folder / str(name)).is_file()
        for index in indices
        for name in set(index["weight_map"].values())
    )


def describe(folder: Path) -> str:
    """Say how large a base is."""
    return f"{parameters(folder):,} parameters"


def parameters(folder: Path) -> int:
    """Return how many numbers a base has, from the safetensors headers: a length, then JSON."""
    total = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as data:
            header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        header.pop("__metadata__", None)
        total += sum(math.prod(tensor["shape"]) for tensor in header.values())
    return total
