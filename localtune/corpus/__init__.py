"""Documents to passages: a folder of files -> documents.jsonl, passages.jsonl.

Every file is listed in documents.jsonl with what became of it; none stops the build. Knows
nothing of lessons or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from localtune.config import CorpusConfig
from localtune.corpus.files import FORMATS, Found, find_files
from localtune.errors import InputError
from localtune.progress import Progress, Silent
from localtune.workspace import write_jsonl

Row = dict[str, Any]

__all__ = ["read_corpus"]


def read_corpus(
    docs: Path,
    documents: Path,
    passages: Path,
    config: CorpusConfig,
    progress: Progress = Silent(),
) -> dict[str, int]:
    """Read every document below `docs`; write its text and its passages; return the counts.

    Counts: documents, passages, words, skipped, failed. Raises InputError where the folder isn't
    there or holds no file that can be read.
    """
    found = list(find_files(docs, config.max_file_mb * 1_000_000))
    with progress.bar("documents", len(found)) as bar:
        rows = list(_without_duplicates(_each(found, bar.advance)))
    _require_one(docs, rows)
    cut = [passage for row in rows for passage in _passages(row, config.passage_tokens)]
    write_jsonl(documents, rows)
    write_jsonl(passages, cut)
    counts = _counts(rows, cut)
    progress.note(_told(counts))
    for row in rows:
        if row["status"] == "failed":
            progress.warn(f"{row['path']}: {row['reason']}")
    return counts


def _each(found: list[Found], advance: Any) -> Iterator[Row]:
    for file in found:
        yield _document(file)
        advance()


def _document(found: Found) -> Row:
    """Read one file into its row of documents.jsonl."""
    from localtune.corpus.formats import read_text, title_line

    if found.status:
        return _row(found)
    try:
        data = found.path.read_bytes()
    except OSError as error:
        return _row(replace(found, status="failed", reason=error.strerror or "can't be read"))
    sha256 = hashlib.sha256(data).hexdigest()
    text = read_text(data, found.format)
    if text is None:
        return _row(replace(found, status="skipped", reason="binary, not text"), sha256)
    if not text.markdown:
        return _row(replace(found, status="skipped", reason="no text in it"), sha256)
    stem = title_line(Path(found.name).stem.replace("-", " ").replace("_", " "))
    row = _row(replace(found, status="read"), sha256)
    row |= {"title": text.title or stem, "chars": len(text.markdown), "text": text.markdown}
    return row


def _row(found: Found, sha256: str = "") -> Row:
    return {
        "path": found.name,
        "format": found.format,
        "status": found.status,
        "reason": found.reason,
        "sha256": sha256,
        "title": "",
        "chars": 0,
    }


def _without_duplicates(rows: Iterator[Row]) -> Iterator[Row]:
    """Skip a document whose bytes or whose text are those of one before it."""
    first: dict[str, str] = {}
    for row in rows:
        if row["status"] == "read":
            keys = (row["sha256"], row["text"])
            same = next((first[key] for key in keys if key in first), "")
            if same:
                row |= {"status": "skipped", "reason": f"the same text as {same}"}
                row.pop("text")
            else:
                first.update(dict.fromkeys(keys, row["path"]))
        yield row


def _require_one(docs: Path, rows: list[Row]) -> None:
    if any(row["status"] == "read" for row in rows):
        return
    readable = f"Files that are read: {', '.join(FORMATS)}."
    if not rows:
        raise InputError(f"{docs} is empty.", f"Put documents into it. {readable}")
    reasons = "; ".join(f"{row['path']!r}: {row['reason']}" for row in rows[:3])
    more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
    raise InputError(f"No file in {docs} can be read ({reasons}{more}).", readable)


def _passages(row: Row, most: int) -> Iterator[Row]:
    """Cut a document that was read into rows of passages.jsonl."""
    from localtune.corpus.passages import cut

    for piece in cut(row["text"], most) if row["status"] == "read" else []:
        key = "\n".join([row["path"], *piece.headings, piece.text])
        yield {
            "id": hashlib.sha256(key.encode()).hexdigest()[:12],
            "document": row["path"],
            "title": row["title"],
            "headings": list(piece.headings),
            "text": piece.text,
            "tokens": piece.tokens,
        }


def _counts(rows: list[Row], passages: list[Row]) -> dict[str, int]:
    of = [row["status"] for row in rows]
    return {
        "documents": of.count("read"),
        "passages": len(passages),
        "words": sum(len(passage["text"].split()) for passage in passages),
        "skipped": of.count("skipped"),
        "failed": of.count("failed"),
    }


def _told(counts: dict[str, int]) -> str:
    """Write "12 documents, 34 passages, 8,120 words; 2 files skipped"."""
    text = ", ".join(_number(counts[what], what) for what in ("documents", "passages", "words"))
    left_out = [
        f"{_number(counts[what], 'files')} {what}" for what in ("skipped", "failed") if counts[what]
    ]
    return "; ".join(filter(None, [text, ", ".join(left_out)]))


def _number(n: int, things: str) -> str:
    return f"{n:,} {things if n != 1 else things.removesuffix('s')}"
