"""The readings of all files -> rows of documents, passages, chats, and of what was left out.

Here is what only all files together can tell: which say the same, and who goes by which pseudonym.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localtune.config.stages import CorpusConfig
from localtune.corpus.read.formats import title_line
from localtune.corpus.read.reading import FileReading
from localtune.corpus.split.duplicates import representatives
from localtune.corpus.split.passages import count_tokens
from localtune.privacy import Finding, Pseudonyms, find_known_names, find_private, name_parts, scrub

Row = dict[str, Any]
# Words written small, but not those in addresses and paths: anna.keller@ says nothing of "anna".
_SMALL = re.compile(r"(?<![^\s(\"'])[a-z][a-z'-]+(?![^\s,.;:!?)\"'])(?![.:]\S)")


@dataclass
class Gathered:
    """The rows of the corpus stage's artefacts."""

    documents: list[Row] = field(default_factory=list)
    passages: list[Row] = field(default_factory=list)
    chats: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)


@dataclass
class _Piece:
    """A passage on its way: where it comes from and which documents it stands for."""

    read: FileReading
    passage: Row
    also_in: list[str] = field(default_factory=list)


def gather(reads: list[FileReading], config: CorpusConfig) -> Gathered:
    """Drop what is said twice, replace what is private, and return the rows."""
    rows = Gathered(documents=[_document(read) for read in reads])
    by_path = {row["path"]: row for row in rows.documents}
    whole = [one for one in reads if by_path[one.found.name]["status"] == "read"]
    kept = _without_copies(whole, by_path)
    pieces = _unique_pieces(kept, by_path)
    private = _Private(kept, not config.keep_private, frozenset(map(str.casefold, config.allow)))
    for read in kept:
        _title(read, by_path[read.found.name], private)
    for piece in pieces:
        rows.passages.append(_passage(piece, by_path[piece.read.found.name], private))
    for read in kept:
        rows.chats += _chats(read, by_path[read.found.name], private)
    _sum_up(rows, by_path)
    _tell_removed(reads, rows, by_path, private)
    return rows


def _document(read: FileReading) -> Row:
    found, reading = read.found, read.reading
    return {
        "path": found.name,
        "format": found.format,
        "status": found.status or reading["status"],
        "reason": found.reason or reading.get("reason", ""),
        "sha256": read.sha256,
        "title": "",
        "language": reading.get("language", ""),
        "chars": 0,
        "tokens": 0,
        "passages": 0,
        "chats": 0,
        "removed": {},
        "private": {},
        "also": [],
        "text": "",
    }


def _without_copies(reads: list[FileReading], by_path: dict[str, Row]) -> list[FileReading]:
    """Skip every longer document that says what one before it says; passages may be cut elsewhere.

    A document of one passage is compared as that passage is.
    """
    long = [read for read in reads if len(read.reading["passages"]) > 1 or read.reading["chats"]]
    copies: set[str] = set()
    for i, j in enumerate(representatives([_said(read) for read in long])):
        if i != j:
            _skip_copy(by_path[long[i].found.name], by_path[long[j].found.name])
            _leave_out_changed(long[i], long[j])
            copies.add(long[i].found.name)
    return [read for read in reads if read.found.name not in copies]


def _skip_copy(copy: Row, first: Row) -> None:
    copy |= {"status": "skipped", "reason": f"says the same as {first['path']}"}
    first["also"].append(copy["path"])


def _said(read: FileReading) -> str:
    passages = (passage["text"] for passage in read.reading["passages"])
    chats = (message["content"] for chat in read.reading["chats"] for message in chat)
    return "\n".join([*passages, *chats])


def _unique_pieces(kept: list[FileReading], by_path: dict[str, Row]) -> list[_Piece]:
    """Drop every passage that says what one before it says; that one names its document."""
    pieces = [_Piece(read, passage) for read in kept for passage in read.reading["passages"]]
    stands = representatives([piece.passage["text"] for piece in pieces])
    unique = [piece for i, piece in enumerate(pieces) if stands[i] == i]
    left = {piece.read.found.name for piece in unique}
    for copy, first in ((pieces[i], pieces[j]) for i, j in enumerate(stands) if i != j):
        name, path = copy.read.found.name, first.read.found.name
        if name != path and name not in first.also_in:
            first.also_in.append(name)
        if name in left:
            _leave_out(copy.read, copy.passage, path)
        elif by_path[name]["status"] == "read" and not copy.read.reading["chats"]:
            _skip_copy(by_path[name], by_path[path])
            _leave_out_changed(copy.read, first.read)
    return unique


def _leave_out(read: FileReading, passage: Row, path: str) -> None:
    left_out = read.reading["left_out"]
    left_out["duplicate"] = left_out.get("duplicate", 0) + 1
    read.reading["removed"].append({**passage, "what": f"duplicate of {path}"})


def _leave_out_changed(copy: FileReading, first: FileReading) -> None:
    """Show what a copy says where it isn't the very same: something in it may be its own."""
    if _said(copy) != _said(first):
        for passage in copy.reading["passages"]:
            _leave_out(copy, passage, first.found.name)


class _Private:
    """Replaces private data; knows the names found anywhere, for where one stands alone."""

    def __init__(self, kept: list[FileReading], on: bool, allow: frozenset[str]) -> None:
        self._on, self._allow, self._pseudonyms = on, allow, Pseudonyms()
        self._known: frozenset[str] = frozenset()
        self._common: frozenset[str] = frozenset()
        if on:
            texts = [(text, found) for read in kept for text, found in _texts(read)]
            known = frozenset().union(*(name_parts(text, found) for text, found in texts))
            self._known = known - {
                word for value in allow for word in re.findall(r"[\w'-]+", value)
            }
            self._common = frozenset(word for text, _ in texts for word in _SMALL.findall(text))

    def replaced(self, text: str, found: list[Any], counts: Counter[str] | None = None) -> str:
        """Return a text with invented values for the private ones; count these by kind."""
        if not self._on:
            return text
        findings = find_known_names(text, _findings(found), self._known, self._common)
        if counts is not None:
            counts.update(finding.kind for finding in findings)
        return scrub(text, findings, self._pseudonyms)

    def in_file_name(self, stem: str, counts: Counter[str]) -> str:
        """Return the title a file's name makes, with its private data replaced.

        Names of people are written small in it, and are looked for as if they weren't.
        """
        words = re.sub(r"[-_]", " ", self._looked_through(stem, counts))
        capitals = re.sub(r"\b[a-z]", lambda letter: letter[0].upper(), words)
        changed = self._looked_through(capitals, counts)
        return words if changed == capitals else changed

    def _looked_through(self, text: str, counts: Counter[str]) -> str:
        found = find_private(text, self._allow) if self._on else []
        return self.replaced(text, [[part.kind, part.start, part.end] for part in found], counts)


def _findings(private: list[Any]) -> list[Finding]:
    return [Finding(kind, start, end) for kind, start, end in private]


def _texts(read: FileReading) -> Iterator[tuple[str, list[Finding]]]:
    for passage in read.reading["passages"]:
        yield passage["text"], _findings(passage["private"])
    for chat in read.reading["chats"]:
        yield from ((said["content"], _findings(said["private"])) for said in chat)
    yield from ((line, _findings(private)) for line, private in read.reading["lines"].items())


def _title(read: FileReading, row: Row, private: _Private) -> None:
    title, counts = read.reading["title"], Counter[str]()
    if title:
        row["title"] = private.replaced(title, read.reading["lines"][title], counts)
    else:
        stem = re.sub(r"\.\w+$", "", read.found.name.rsplit("/", 1)[-1])
        row["title"] = private.in_file_name(title_line(stem), counts)
    if not title or title not in _said(read):  # a heading is counted where it stands
        _count(row["private"], counts)


def _passage(piece: _Piece, row: Row, private: _Private) -> Row:
    read, passage, counts = piece.read, piece.passage, Counter[str]()
    lines = read.reading["lines"]
    headings = [private.replaced(heading, lines[heading]) for heading in passage["headings"]]
    text = private.replaced(passage["text"], passage["private"], counts)
    _count(row["private"], counts)
    return {
        "id": _id(read.found.name, *headings, text),
        "document": read.found.name,
        "title": row["title"],
        "headings": headings,
        "text": text,
        "tokens": count_tokens(text),
        "also_in": piece.also_in,
    }


def _chats(read: FileReading, row: Row, private: _Private) -> Iterator[Row]:
    seen: set[str] = set()
    for chat in read.reading["chats"]:
        counts = Counter[str]()
        messages = [
            {
                "role": said["role"],
                "content": private.replaced(said["content"], said["private"], counts),
            }
            for said in chat
        ]
        key = _id(*(message["content"] for message in messages))
        if key not in seen:
            seen.add(key)
            _count(row["private"], counts)
            row["chats"] += 1
            yield {"id": key, "document": read.found.name, "messages": messages}


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _count(total: dict[str, int], more: Counter[str]) -> None:
    for kind, number in more.items():
        total[kind] = total.get(kind, 0) + number


def _sum_up(rows: Gathered, by_path: dict[str, Row]) -> None:
    """Give each document its text, as it would be learned, and its figures."""
    texts: dict[str, list[str]] = {}
    for passage in rows.passages:
        texts.setdefault(passage["document"], []).append(passage["text"])
        row = by_path[passage["document"]]
        row["tokens"] += passage["tokens"]
        row["passages"] += 1
    for path, parts in texts.items():
        text = "\n\n".join(parts)
        by_path[path] |= {"text": text, "chars": len(text)}
    for row in rows.documents:
        if row["status"] != "read":
            row.pop("text")


def _tell_removed(
    reads: list[FileReading], rows: Gathered, by_path: dict[str, Row], private: _Private
) -> None:
    """List what was left out, without the private data in it."""
    for read in reads:
        row = by_path[read.found.name]
        _count(row["removed"], Counter(read.reading.get("left_out", {})))
        for part in read.reading.get("removed", []):
            text = private.replaced(part["text"], part["private"])
            rows.removed.append({"document": row["path"], "what": part["what"], "text": text})
