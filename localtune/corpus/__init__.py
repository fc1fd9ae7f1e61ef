"""Documents to passages: a folder of files -> documents.jsonl, passages.jsonl, chats.jsonl.

Every file is listed in documents.jsonl with what became of it; none stops the build. What was left
out lies in removed.jsonl. Knows nothing of lessons or models.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.config.stages import CorpusConfig
from localtune.corpus.read.files import FORMATS, find_files
from localtune.corpus.read.reader import read_files
from localtune.corpus.split.gather import Gathered, gather
from localtune.errors import InputError
from localtune.privacy import told
from localtune.progress import Progress, Silent
from localtune.workspace import write_jsonl

__all__ = ["Artefacts", "read_corpus"]


@dataclass(frozen=True)
class Artefacts:
    """Where the results go; `readings` is what makes a second run quick, None keeps nothing."""

    documents: Path
    passages: Path
    chats: Path
    removed: Path
    readings: Path | None = None

    @classmethod
    def below(cls, folder: Path) -> Artefacts:
        """Return the usual names in a folder; nothing is kept for a second run."""
        names = ("documents", "passages", "chats", "removed")
        return cls(*(folder / f"{name}.jsonl" for name in names))


def read_corpus(
    docs: Path, out: Artefacts, config: CorpusConfig, progress: Progress = Silent()
) -> dict[str, int]:
    """Read every document below `docs`; write its text and its passages; return the counts.

    Counts: documents, passages, words, chats, skipped, failed, private. Raises InputError where
    the folder isn't there or holds no file that can be read.
    """
    found = list(find_files(docs, config.max_file_mb * 1_000_000))
    gathered = gather(read_files(found, out.readings, config, progress), config)
    _require_one(docs, gathered.documents)
    write_jsonl(out.documents, gathered.documents)
    write_jsonl(out.passages, gathered.passages)
    write_jsonl(out.chats, gathered.chats)
    write_jsonl(out.removed, gathered.removed)
    counts = _counts(gathered)
    _tell(gathered, counts, progress)
    return counts


def _require_one(docs: Path, rows: list[dict[str, Any]]) -> None:
    if any(row["status"] == "read" for row in rows):
        return
    readable = f"Files that are read: {', '.join(FORMATS)}."
    if not rows:
        raise InputError(f"{docs} is empty.", f"Put documents into it. {readable}")
    reasons = "; ".join(f"{row['path']!r}: {row['reason']}" for row in rows[:3])
    more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
    raise InputError(f"No file in {docs} can be read ({reasons}{more}).", readable)


def _counts(gathered: Gathered) -> dict[str, int]:
    of = [row["status"] for row in gathered.documents]
    return {
        "documents": of.count("read"),
        "passages": len(gathered.passages),
        "words": sum(len(passage["text"].split()) for passage in gathered.passages),
        "chats": len(gathered.chats),
        "skipped": of.count("skipped"),
        "failed": of.count("failed"),
        "private": sum(sum(row["private"].values()) for row in gathered.documents),
    }


def _tell(gathered: Gathered, counts: dict[str, int], progress: Progress) -> None:
    progress.note(_told(counts))
    for row in gathered.documents:
        if row["status"] == "failed":
            progress.warn(f"{row['path']}: {row['reason']}")
    private: Counter[str] = Counter()
    for row in gathered.documents:
        private.update(row["private"])
    if private:
        progress.note(f"private data replaced by invented values: {told(private)}")
        progress.note("--allow keeps what is public, --keep-private keeps all")


def _told(counts: dict[str, int]) -> str:
    """Write "12 documents, 34 passages, 8,120 words; 2 files skipped"."""
    said = ("documents", "passages", "words", *(["chats"] if counts["chats"] else []))
    text = ", ".join(_number(counts[what], what) for what in said)
    left_out = [
        f"{_number(counts[what], 'files')} {what}" for what in ("skipped", "failed") if counts[what]
    ]
    return "; ".join(filter(None, [text, ", ".join(left_out)]))


def _number(n: int, things: str) -> str:
    return f"{n:,} {things if n != 1 else things.removesuffix('s')}"
