"""Facts out of the structure of a passage: sentences, list items, table rows, FAQ entries.

Takes passages (rows of passages.jsonl), gives `Fact`s: one self-contained statement each, with
where it stands. Knows nothing of questions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ABBREVIATIONS = r"(?<!\b(?:Mr|Dr|Ms|St|No|vs|ca))(?<!\bMrs)(?<!\b(?:e\.g|i\.e|a\.m|p\.m))(?<!\betc)(?<!\bapprox)"
_SENTENCE_END = re.compile(_ABBREVIATIONS + r"(?<=[.!?])[\"'”)]*\s+(?=[\"'“(]?[A-Z0-9ÄÖÜÉÀ])")
_MAX_WORDS, _MAX_COLUMNS = 45, 6


@dataclass(frozen=True)
class Fact:
    """One statement of a document.

    `topic` is what the statement is about where the structure says so (a table row's name, the
    question of an FAQ entry, a defined term); `cells` holds a table row's (column, value) pairs.
    """

    id: str
    document: str
    title: str
    headings: tuple[str, ...]
    kind: str  # sentence | item | row | faq
    statement: str
    topic: str = ""
    cells: tuple[tuple[str, str], ...] = ()


def facts_of(passages: Iterable[dict]) -> list[Fact]:
    """Return the facts of all passages in order, each statement once."""
    facts: dict[str, Fact] = {}
    for passage in passages:
        for kind, headings, statement, topic, cells in _walk(passage):
            words = len(statement.split())
            if 3 <= words <= _MAX_WORDS:
                key = hashlib.sha256(f"{passage['document']}\n{topic}\n{statement}".encode()).hexdigest()[:12]
                facts.setdefault(key, Fact(key, passage["document"], passage["title"], headings, kind, statement, topic, cells))
    return list(facts.values())


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; a newline is a space."""
    return [s.strip() for s in _SENTENCE_END.split(" ".join(text.split())) if s.strip()]


def _plain(inline: Token) -> str:
    """The text of an inline token without its markup; link targets and images are dropped."""
    parts = []
    for child in inline.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())


Found = tuple[str, tuple[str, ...], str, str, tuple[tuple[str, str], ...]]


def _walk(passage: dict) -> Iterator[Found]:
    """Yield what each block states, with the heading path above it."""
    tokens = _MARKDOWN.parse(passage["text"])
    path: list[tuple[int, str]] = [(i + 1, h) for i, h in enumerate(passage.get("headings", []))]
    lead, asked, i = "", "", 0
    while i < len(tokens):
        token = tokens[i]
        here = tuple(h for _, h in path)
        if token.type == "heading_open":
            level, text = int(token.tag[1]), _plain(tokens[i + 1])
            path = [(n, h) for n, h in path if n < level and h != text] + [(level, text)]
            lead, asked = "", text if text.endswith("?") else ""
            i += 2
        elif token.type == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            yield from _rows(tokens[i:end], here)
            i = end
        elif token.type == "inline":
            text = _plain(token)
            in_list = any(t.type == "list_item_open" for t in tokens[max(0, i - 2) : i])
            question, answer = _question_in(text)
            if question:
                asked = question
                text = answer
            if text.endswith(":") and not in_list:
                lead = text[:-1]
            elif text and asked:
                yield "faq", here, text if len(text.split()) <= _MAX_WORDS else sentences(text)[0], asked, ()
                yield from (("sentence", here, s, "", ()) for s in sentences(text)[1:])
                asked = asked if in_list else ""
            elif text and in_list:
                yield from _item(text, lead, here)
            elif text:
                yield from (("sentence", here, s, "", ()) for s in sentences(text))
                lead = ""
        i += 1


def _question_in(text: str) -> tuple[str, str]:
    """Split "Q: …? A: …" or a paragraph that begins with a whole question."""
    text = re.sub(r"^Q[:.]\s*", "", text)
    match = re.match(r"((?:Who|What|When|Where|Which|Why|How|Can|May|Do|Does|Is|Are|Must|Should|Will)\b[^.!?]*\?)\s*(?:A[:.]\s*)?(.*)", text, re.S)
    return (match[1], match[2]) if match else ("", re.sub(r"^A[:.]\s*", "", text))


def _item(text: str, lead: str, here: tuple[str, ...]) -> Iterator[Found]:
    """A list item: "Term: what it is", a whole sentence, or a fragment that needs its lead-in."""
    term, colon, rest = text.partition(": ")
    if colon and len(term.split()) <= 8:
        yield "item", here, text, f"{lead}: {term}" if lead else term, ()
    elif text.endswith((".", "!")) and len(text.split()) >= 5:
        yield from (("item", here, s, lead, ()) for s in sentences(text))
    else:
        about = lead or (here[-1] if here else "")
        yield "item", here, f"{about}: {text}" if about else text, about, ()


def _rows(tokens: list[Token], here: tuple[str, ...]) -> Iterator[Found]:
    """A table's rows, each as "name: column value, column value"."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_plain(token))
    head = rows[0] if rows else []
    for row in rows[1:]:
        cells = [(h, v) for h, v in zip(head[1:], row[1:], strict=False) if v and h][:_MAX_COLUMNS]
        if row and row[0] and cells:
            stated = "; ".join(f"{h}: {v}" for h, v in cells)
            yield "row", here, f"{row[0]} – {stated}", row[0], tuple(cells)
