"""The Modelfile of a GGUF, of a folder of transformers' format, or of a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import localtune
from localtune.formatting import plural
from localtune.links import WEIGHTS
from localtune.workspace import read_jsonl

if TYPE_CHECKING:
    from localtune.build.job import Build

BYTES_PER_TOKEN = 3  # few enough for every language
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")


def made_from(build: Build) -> str:
    """Say in one line what a build's model was made from."""
    learned = (build.at.passages, build.at.chats)
    documents = len({row["document"] for file in learned for row in read_jsonl(file)})
    upon = Path(build.config.base.base).name
    return (
        f"Made by localtune {localtune.__version__} from {plural(documents, 'document')} "
        f"upon the base {upon}."
    )


def lesson_tokens(build: Build) -> int:
    """Estimate the tokens of the longest lesson that is a chat; 0 without lessons.

    Bytes are counted, BYTES_PER_TOKEN each: characters are more in some languages than in others.
    """
    rows = read_jsonl(build.at.lessons) if build.at.lessons.exists() else ()
    chats = (row.get("messages", ()) for row in rows)
    sizes = (sum(len(said["content"].encode()) for said in messages) for messages in chats)
    tokens = max(sizes, default=0) // BYTES_PER_TOKEN
    return min(tokens, build.config.train.max_length or tokens)


def licence_of(folder: Path) -> str:
    """Return the text of the licence that lies in a folder, "" where there is none."""
    found = [file for pattern in LICENCES for file in sorted(folder.glob(pattern))]
    # Links to weights may lead anywhere, whatever they are called.
    texts = [file for file in found if file.is_file() and file.suffix not in WEIGHTS]
    return texts[0].read_text("utf-8", "replace") if texts else ""
