"""One file -> a reading: its text in passages, what was left out of it, what is private in it.

This is all that can be said of a file by itself; it runs in a worker process. What must know the
other files (duplicates, pseudonyms) comes after, in corpus/__init__.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from localtune.corpus.clean.boilerplate import Removed, without_boilerplate
from localtune.corpus.clean.encoded import without_encoded_runs
from localtune.corpus.clean.language import language_of
from localtune.corpus.clean.quality import reject
from localtune.corpus.read.chats import Message
from localtune.corpus.read.formats import Text, read_text, safe, safe_text, title_line
from localtune.corpus.read.reading import Reading, Settings
from localtune.corpus.split.passages import Passage, cut
from localtune.errors import UnreadableError
from localtune.privacy import find_private

LEFT_OUT, SHOWN = 500, 2000  # pieces of a file that are shown, and characters of each


def read_document(data: bytes, kind: str, name: str, settings: Settings) -> Reading:
    """Read one file into what JSON can hold; a file that can't be read is a reading too.

    Keys: status ("read", "skipped", "failed"), reason, title, language, chars, passages (each
    headings, text, tokens, private), lines ({title or heading: private}), chats (each a list of
    messages with `private`), left_out ({what: how often}), removed (pieces of that, each what,
    text, private). `private` is [kind, start, end] a value.
    """
    try:
        text = read_text(data, kind, name)
    except UnreadableError as error:
        return _nothing("failed", error.message)
    body, taken = without_boilerplate(text.markdown)
    body = safe(body)  # what stood apart may have come together
    removed = [*text.removed, *taken]
    passages = [piece for piece in cut(body, settings.passage_tokens) if _is_good(piece, removed)]
    chats = [[_said(message, settings) for message in chat] for chat in text.chats]
    if not passages and not chats:
        why = text.reason or _why_nothing(text, removed)
        return {**_nothing("skipped", why), **_left_out(removed, settings)}
    title = title_line(without_encoded_runs(text.title)[0])
    return {
        "status": "read",
        "reason": "",
        "title": title,
        "language": language_of(body),
        "chars": len(body),
        "passages": [_passage(piece, settings) for piece in passages],
        "lines": {line: _private(line, settings) for line in _lines(title, passages)},
        "chats": [chat for chat in chats if all(said["content"].strip() for said in chat)],
        **_left_out(removed, settings),
    }


def _nothing(status: str, reason: str) -> Reading:
    kept = {"passages": [], "lines": {}, "chats": [], "title": "", "language": "", "chars": 0}
    return {"status": status, "reason": reason, **kept, "removed": [], "left_out": {}}


def _left_out(removed: list[Removed], settings: Settings) -> dict[str, Any]:
    """Count all that was taken out by kind; show the first pieces, each to some length."""
    counts = Counter(part.what.split(":")[0] for part in removed)
    shown = [_shown(part, settings) for part in removed[:LEFT_OUT]]
    return {"left_out": dict(counts), "removed": shown}


def _shown(part: Removed, settings: Settings) -> dict[str, Any]:
    # Looked through before it is cut: half a key is still a secret.
    private = _private(part.text[: 2 * SHOWN], settings)
    end = min([SHOWN, *(start for _, start, end in private if start < SHOWN < end)])
    inside = [found for found in private if found[2] <= end]
    return {"what": part.what, "text": part.text[:end], "private": inside}


def _why_nothing(text: Text, removed: list[Removed]) -> str:
    if not text.markdown:
        return "no text in it"
    kinds = ", ".join(dict.fromkeys(part.what for part in removed[:3]))
    return f"nothing but {kinds}" if kinds else "headings only"


def _is_good(piece: Passage, removed: list[Removed]) -> bool:
    """Whether a passage is worth learning; one that isn't is noted with the rule that says so."""
    why = reject(piece.text)
    if why:
        removed.append(Removed(f"low quality: {why}", piece.text))
    return not why


def _passage(piece: Passage, settings: Settings) -> dict[str, Any]:
    return {
        "headings": list(piece.headings),
        "text": piece.text,
        "tokens": piece.tokens,
        "private": _private(piece.text, settings),
    }


def _lines(title: str, passages: list[Passage]) -> Iterator[str]:
    yield title
    for piece in passages:
        yield from piece.headings


def _said(message: Message, settings: Settings) -> dict[str, Any]:
    """Make one message of a chat safe; lines and indentation in it stay."""
    content = safe_text(message["content"])
    return {"role": message["role"], "content": content, "private": _private(content, settings)}


def _private(text: str, settings: Settings) -> list[list[Any]]:
    found = find_private(text, frozenset(settings.allow)) if settings.private else []
    return [[finding.kind, finding.start, finding.end] for finding in found]
