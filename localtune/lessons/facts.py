"""Facts out of the structure of a passage: sentences, list items, table rows, FAQ entries.

Takes passages (rows of passages.jsonl), gives `Fact`s: one self-contained statement each, with
where it stands. Knows nothing of questions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_SENTENCE_END = re.compile(
    r"(?<!\b(?:Mr|Dr|Ms|St|vs|ca)\.)(?<!\bMrs\.)(?<!\b(?:e\.g|i\.e|a\.m|p\.m)\.)(?<!\betc\.)"
    r"(?<!\bapprox\.)(?<=[.!?])[\"'”)]*\s+(?=[\"'“(]?[A-Z0-9ÄÖÜÉÀ])"
)
_QUESTION = re.compile(
    r"((?:Who|What|When|Where|Which|Why|How|Can|May|Do|Does|Is|Are|Must|Should|Will)\b[^.!?]*\?)"
    r"\s*(?:A[:.]\s*)?(.*)",
    re.S,
)
_REFERS = re.compile(r"(?:It|Its|They|Their|He|His|She|Her|This|That|These|Those|Both|Each)\b")
_MAX_WORDS, _MAX_COLUMNS = 45, 6
_NAMED = re.compile(r"(?!(?:yes|no|none|free)\b)[^\W\d][^\d,;:.]{3,40}", re.I)  # "Chilled pallet"


@dataclass(frozen=True)
class Fact:
    """One statement of a document.

    `topic` is what the statement is about where the structure says so (a table row's name, the
    question of an FAQ entry, a defined term, the sentence that an "It" refers to); `cells` holds a
    table row's (column, value) pairs, `names` those of its values that no other row has, in words.
    """

    id: str
    document: str
    title: str
    headings: tuple[str, ...]
    kind: str  # sentence | item | term | row | faq
    statement: str
    topic: str = ""
    cells: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The statement, behind the sentence that it refers to where both are short enough."""
        whole = f"{self.topic} {self.statement}"
        refers = self.kind == "sentence" and self.topic and len(whole.split()) <= _MAX_WORDS
        return whole if refers else self.statement


@dataclass(frozen=True)
class _Stated:
    """What a block of Markdown states, before it is known where."""

    kind: str
    statement: str
    topic: str = ""
    cells: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()


def facts_of(passages: Iterable[dict[str, Any]]) -> list[Fact]:
    """Return the facts of all passages in order, each statement once."""
    facts: dict[str, Fact] = {}
    for passage in passages:
        document, title = passage["document"], passage["title"]
        for headings, stated in _Walk(passage.get("headings", [])).through(passage["text"]):
            if 3 <= len(stated.statement.split()) <= _MAX_WORDS:
                key = id_of(document, stated.topic, stated.statement)
                parts = (stated.kind, stated.statement, stated.topic, stated.cells, stated.names)
                facts.setdefault(key, Fact(key, document, title, headings, *parts))
    return list(facts.values())


def id_of(*parts: str) -> str:
    """Return 12 hexadecimal digits that stand for these texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def sentences(text: str) -> list[str]:
    """Split a paragraph into sentences; a newline is a space."""
    return [s.strip() for s in _SENTENCE_END.split(" ".join(text.split())) if s.strip()]


def common_words(passages: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return the words that the documents also write in lower case: no part of a name."""
    return frozenset(w for p in passages for w in re.findall(r"\b[a-z][a-z'-]+\b", p["text"]))


class _Walk:
    """A walk through the blocks of one passage: the headings above, and what leads in."""

    def __init__(self, headings: list[str]) -> None:
        self.path = [(level, heading) for level, heading in enumerate(headings, 1)]
        self.lead = ""  # "Bring with you" of "Bring with you:"
        self.asked = ""  # the FAQ question that the next block answers

    def through(self, text: str) -> Iterator[tuple[tuple[str, ...], _Stated]]:
        """Yield (heading path, what is stated) block by block."""
        tokens, i = _MARKDOWN.parse(text), 0
        while i < len(tokens):
            if tokens[i].type == "heading_open":
                self._enter(int(tokens[i].tag[1]), _plain(tokens[i + 1]))
                i += 1
            elif tokens[i].type == "table_open":
                end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
                yield from ((self._here, row) for row in _rows(tokens[i:end]))
                i = end
            elif tokens[i].type == "inline":
                in_list = any(t.type == "list_item_open" for t in tokens[max(0, i - 2) : i])
                yield from ((self._here, s) for s in self._block(_plain(tokens[i]), in_list))
            i += 1

    @property
    def _here(self) -> tuple[str, ...]:
        return tuple(heading for _, heading in self.path)

    def _enter(self, level: int, heading: str) -> None:
        above = [(n, held) for n, held in self.path if n < level and held != heading]
        self.path = [*above, (level, heading)]
        self.lead, self.asked = "", heading if heading.endswith("?") else ""

    def _block(self, text: str, in_list: bool) -> Iterator[_Stated]:
        """A paragraph or list item: a lead-in, an answer, an item, or plain sentences."""
        question, text = _question_in(text)
        self.asked = question or self.asked
        if text.endswith(":") and not in_list:
            *before, last = sentences(text)
            yield from _prose(" ".join(before))
            self.lead = last[:-1]
        elif text and self.asked:
            yield from _answer(self.asked, text)
            self.asked = self.asked if in_list else ""
        elif text and in_list:
            yield from _item(text, self.lead, self._here)
        elif text:
            yield from _prose(text)
            self.lead = ""


def _plain(inline: Token) -> str:
    """The text of an inline token without its markup; link targets and images are dropped."""
    parts = []
    for child in inline.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())


def _question_in(text: str) -> tuple[str, str]:
    """Split "Q: …? A: …" or a paragraph that begins with a whole question."""
    match = _QUESTION.match(re.sub(r"^Q[:.]\s*", "", text))
    return (match[1], match[2]) if match else ("", re.sub(r"^A[:.]\s*", "", text))


def _answer(question: str, text: str) -> Iterator[_Stated]:
    """An FAQ entry: the whole answer where it is short, else its sentences."""
    parts = sentences(text)
    whole = len(text.split()) <= _MAX_WORDS
    yield _Stated("faq", text if whole else parts[0], question)
    yield from (_Stated("sentence", s) for s in parts[1:])


def _prose(text: str) -> Iterator[_Stated]:
    """The sentences of a paragraph; what refers back is about the sentence before it."""
    before = ""
    for sentence in sentences(text):
        refers = bool(_REFERS.match(sentence))
        yield _Stated("sentence", sentence, before if refers else "")
        before = before if refers else sentence


def _item(text: str, lead: str, here: tuple[str, ...]) -> Iterator[_Stated]:
    """A list item: "Term: what it is", whole sentences, or a fragment that needs its lead-in."""
    term, colon, _ = text.partition(": ")
    if colon and len(term.split()) <= 8:
        yield _Stated("term", text, f"{lead}: {term}" if lead else term)
    elif text.endswith((".", "!")) and len(text.split()) >= 5:
        yield from (_Stated("item", s, lead) for s in sentences(text))
    else:
        about = lead or (here[-1] if here else "")
        yield _Stated("item", f"{about}: {text}" if about else text, about)


def _rows(tokens: list[Token]) -> Iterator[_Stated]:
    """A table's rows, each as "name – column: value; column: value"."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_plain(token))
    head = rows[0] if rows else []
    held = Counter(value for row in rows for value in row)
    for row in rows[1:]:
        cells = [(h, v) for h, v in zip(head[1:], row[1:], strict=False) if v and h][:_MAX_COLUMNS]
        if row and row[0] and cells:
            stated = "; ".join(f"{h}: {v}" for h, v in cells)
            names = tuple(v for v in row[1:] if _NAMED.fullmatch(v) and held[v] == 1)
            yield _Stated("row", f"{row[0]} – {stated}", row[0], tuple(cells), names)
