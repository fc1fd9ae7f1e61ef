"""The Markdown of one document -> passages of bounded length, cut at headings and blocks.

Heading levels are made gapless, so that a heading's level is its depth in the heading path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from markdown_it.token import Token

from localtune.corpus.read.formats import BLOCKS, rendered

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Block:
    """A heading, paragraph, list, table or code block; `depth` is 0 for all but headings."""

    text: str
    kind: str
    depth: int = 0
    heading: str = ""


@dataclass(frozen=True)
class Passage:
    """A piece of a document; `headings` is the path above its first line."""

    headings: tuple[str, ...]
    text: str
    tokens: int


def count_tokens(text: str) -> int:
    """Estimate tokens without a tokenizer: 1.3 a word, and never under a quarter of the bytes.

    The bytes count for scripts without spaces, and for tables and codes.
    """
    return _estimate(len(text.split()), len(text.encode()))


def _estimate(words: int, size: int) -> int:
    return ceil(max(1.3 * words, size / 4))


def cut(markdown: str, most: int) -> list[Passage]:
    """Cut a document into passages of at most `most` estimated tokens."""
    passages: list[Passage] = []
    path: tuple[str, ...] = ()
    for group in _grouped(_fitting(blocks_of(markdown), most), most):
        text = "\n\n".join(block.text for block in group)
        if any(not block.depth for block in group):  # headings alone say nothing
            passages.append(Passage(path, text, count_tokens(text)))
        for block in group:
            path = (*path[: block.depth - 1], block.heading) if block.depth else path
    return passages


def blocks_of(markdown: str) -> list[Block]:
    """Parse Markdown into its top-level blocks, as written but for the headings."""
    lines = markdown.split("\n")
    tokens = BLOCKS.parse(markdown)
    blocks: list[Block] = []
    levels: list[int] = []
    for i, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        if token.type == "heading_open":
            heading = rendered(tokens[i + 1].content)
            levels = [n for n in levels if n < int(token.tag[1])] + [int(token.tag[1])]
            if heading:
                marks = "#" * len(levels)
                blocks.append(Block(f"{marks} {heading}", "heading", len(levels), heading))
        else:
            blocks += _block(token, lines)
    return blocks


def _block(token: Token, lines: list[str]) -> Iterator[Block]:
    begin, end = token.map or (0, 0)
    text = "\n".join(lines[begin:end]).strip("\n")
    if text.strip() and token.type not in ("hr", "html_block"):
        yield Block(text, token.type.removesuffix("_open"))


def _grouped(blocks: Iterable[Block], most: int) -> Iterator[list[Block]]:
    """Fill groups up to `most` tokens; a full one breaks before its last headings."""
    group: list[Block] = []
    words = size = 0  # of the group, so that each block is counted once
    for block in blocks:
        more, larger = len(block.text.split()), len(block.text.encode()) + 2  # the blank line
        if group and _estimate(words + more, size + larger - 2) > most:
            kept, moved = _before_last_headings(group)
            if kept:
                yield kept
            group, words, size = moved, *_counted(moved)
            if group and _estimate(words + more, size + larger - 2) > most:
                yield group
                group, words, size = [], 0, 0
        group.append(block)
        words, size = words + more, size + larger
    if group:
        yield group


def _counted(group: list[Block]) -> tuple[int, int]:
    """Return the words of a group, and its bytes with a blank line behind each block."""
    texts = [block.text for block in group]
    return sum(len(text.split()) for text in texts), sum(len(text.encode()) + 2 for text in texts)


def _before_last_headings(group: list[Block]) -> tuple[list[Block], list[Block]]:
    end = len(group)
    while end and group[end - 1].depth:
        end -= 1
    return group[:end], group[end:]


def _fitting(blocks: Iterable[Block], most: int) -> Iterator[Block]:
    """Yield the blocks, those that are too long for any passage in pieces."""
    for block in blocks:
        if count_tokens(block.text) <= most:
            yield block
        elif block.depth:
            yield from (Block(piece, "paragraph") for piece in _pieces(block.heading, most))
        elif block.kind == "table":
            yield from (Block(piece, "table") for piece in _table_pieces(block.text, most))
        else:
            yield from (Block(piece, block.kind) for piece in _pieces(block.text, most))


def _table_pieces(table: str, most: int) -> Iterator[str]:
    """Cut a table between rows; each piece begins with the table's head."""
    head, rows = table.split("\n")[:2], table.split("\n")[2:]
    room = most - count_tokens("\n".join(head)) - 1
    if room < most // 2:
        yield from _pieces(table, most)
        return
    for piece in _packed(rows, room, "\n"):
        if count_tokens(piece) <= room:
            yield "\n".join([*head, piece])
        else:
            yield from _pieces(piece, most)


def _pieces(text: str, most: int) -> Iterator[str]:
    """Cut text at lines, else at sentences, else at words, else anywhere."""
    for lines in _packed(text.split("\n"), most, "\n"):
        for sentences in _packed(_SENTENCE.split(lines), most, " ", whole=lines):
            for words in _packed(sentences.split(), most, " ", whole=sentences):
                if count_tokens(words) <= most:
                    yield words
                else:  # one endless word; a character is at most one token of this estimate
                    yield from (words[at : at + most] for at in range(0, len(words), most))


def _packed(parts: list[str], most: int, glue: str, whole: str = "") -> Iterator[str]:
    """Join neighbours as long as they fit; `whole` is given back as it is where it fits."""
    if whole and count_tokens(whole) <= most:
        yield whole
        return
    packed: list[str] = []
    tokens = 0
    for part in parts:
        cost = count_tokens(part) + 1  # the glue, and the rounding
        if packed and tokens + cost > most:
            yield glue.join(packed)
            packed, tokens = [], 0
        packed.append(part)
        tokens += cost
    if any(packed):
        yield glue.join(packed)
