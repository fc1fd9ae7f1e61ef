"""What of a build goes to the Hugging Face Hub: GGUF files, the card, and what Ollama reads there.

Nothing else of the build folder ever does: no work file, no document, no report.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localtune.build.job import Build
from localtune.build.open_build import open_build, shipped
from localtune.deploy import hub
from localtune.deploy.hub import Upload
from localtune.deploy.receipt import doubt
from localtune.errors import ConfigError, InputError
from localtune.links import check_regular
from localtune.llama.level_names import check_levels
from localtune.ollama.files import ollama_files
from localtune.report.hub_card import hub_card

TAGS = ["localtune", "gguf", "lora"]


def push(
    folder: Path,
    repo: str,
    levels: tuple[str, ...],
    public: bool,
    private_data: bool,
    say: Callable[[str], None],
) -> str:
    """Upload a build and return the repository's address; without `levels`, those of the build.

    `private_data` says that the files may go though private data wasn't replaced. Raises
    InputError, ConfigError, HubError.
    """
    build = open_build(folder)
    with build.at.hold():  # no other process may make files anew meanwhile
        uploads, why = upload_list(folder, repo, levels)
        if why and not private_data:
            raise InputError(
                f"These files may hold private data: {why}.",
                "Build again without --keep-private, or confirm with --yes-private-data.",
            )
        return hub.push(repo, uploads, public, f"{build.at.name}, by localtune", say)


def upload_list(folder: Path, repo: str, levels: tuple[str, ...]) -> tuple[list[Upload], str]:
    """Return what `push` would upload, and why that may hold private data ("": it doesn't).

    Needs neither network nor token. Raises InputError, ConfigError.
    """
    build = open_build(folder)
    chosen = levels_of(build, levels)
    why = doubt(build, chosen)
    return contents(build, chosen, repo, why), why


def levels_of(build: Build, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the levels that go up, the one that a person should take first."""
    check_levels(asked, "--level")
    if build.config.export.adapter_only:
        raise ConfigError(
            f"{build.at.folder} ships an adapter alone, which is of use only upon its base.",
            "Build without --adapter-only to push a whole model.",
        )
    return tuple(dict.fromkeys(asked)) or build.config.quantize.levels


def contents(build: Build, levels: tuple[str, ...], repo: str, why: str) -> list[Upload]:
    """Return every file that goes up; `why` is the doubt about private data.

    Raises InputError where a file isn't there or is a link, ConfigError.
    """
    hub.check_repo(repo)
    files = [shipped(build, level) for level in levels]
    for file in files:
        check_regular(file)
    texts = {
        "README.md": card_of(build, levels, repo, why),
        **ollama_files(_text(build.at.modelfile)),
    }
    return [
        *[Upload(file.name, file) for file in files],
        *[Upload(name, text.encode()) for name, text in texts.items()],
    ]


def card_of(build: Build, levels: tuple[str, ...], repo: str, why: str) -> str:
    """Return the repository's model card: the build's own, with the Hub's metadata."""
    from localtune.llama.llama import read_header

    files = {level: build.at.level_gguf(level) for level in levels}
    licence = read_header(files[levels[0]]).metadata.get("license", "")
    base = build.config.base
    on_hub = base.base if base.on_hub() else ""
    named = f"[{on_hub}](https://huggingface.co/{on_hub})" if on_hub else _shown(base.base)
    card = hub_card(_text(build.at.card), repo, files, named, licence, why)
    relation = {"base_model": on_hub or None, "base_model_relation": "finetune" if on_hub else None}
    said = {"license": licence.lower() or None, "pipeline_tag": "text-generation", "tags": TAGS}
    return hub.with_metadata(card, relation, said)


def _shown(base: str) -> str:
    """Return a local base's name; where it lies on this machine is nobody's business."""
    return "`tiny`, the built-in base of localtune" if base == "tiny" else f"`{Path(base).name}`"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} can't be read: {error}.",
            "Run `localtune build` again; it makes the file anew.",
        ) from error
