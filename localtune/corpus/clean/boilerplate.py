"""What is no content, taken out of one document's Markdown, and what stood where it was.

Contents lists, licence texts, encoded data. Knows nothing of files. Lines are judged whole, each
a fixed number of times: linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from localtune.corpus.clean.encoded import encoded_lines, without_encoded_runs

_FENCE = re.compile(r"[ >]{0,8}(?:```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,5}[.)]?\s+")
_COMMENT = re.compile(r"\s*(?:#|//|;)")
_EDGES = " \t*_`.…·:#-–—>/;%<!\\"

_CONTENTS = re.compile(
    r"(?:table of )?contents|(?:on|in) this (?:page|guide|document|handbook|article|section)|toc"
    r"|inhalt(?:sverzeichnis|sübersicht)?|sommaire|table des matières|índice(?: general)?|indice"
    r"|contenido|sumário|sommario|inhoud(?:sopgave)?|spis treści|innehåll|indhold|innhold|sisällys"
    r"|obsah|tartalom(?:jegyzék)?|cuprins|içindekiler|содержание|оглавление|зміст|περιεχόμενα"
    r"|目录|目次|目錄|차례|목차|المحتويات|สารบัญ"
)
# A piece of each of these: looking for them is quicker than trying every line as a title.
_CONTENTS_WORDS = (
    "content", "this page", "this guide", "this document", "this handbook", "this article",
    "this section", "toc", "inhalt", "sommaire", "des matières", "indice", "índice", "contenido",
    "sumário", "sommario", "inhoud", "spis", "innehåll", "indhold", "innhold", "sisällys", "obsah",
    "tartalom", "cuprins", "içindekiler", "содержание", "оглавление", "зміст", "περιεχόμενα", "目",
    "차례", "목차", "المحتويات", "สารบัญ",
)  # fmt: skip
_PAGE = re.compile(r"(?<=[\s.…·_])(\d{1,4}|[ivxlc]{1,7})$")

_LAW = (
    r"apache|mit\b|bsd|gnu|mozilla|creative commons|cc[- ]?(?:by|0)|open government|eclipse|isc\b"
)
# How the paragraphs of well-known licences, and of their notices, begin.
_LICENCE = re.compile(
    r"(?:[a-d\d][.)] {1,3})?(?:licensed under the (?:apache l|mit l|gnu)|you may obtain a copy of"
    r"|unless required by applicable law or agreed to in writing|to the extent possible under law"
    r"|permission (?:is hereby granted, free of charge|to use, copy, modify,? and)"
    r"|the above copyright notice and this permission|th(?:e|is) software is provided (?:\W?as|by)"
    r"|redistributions? (?:and use )?(?:in|of) (?:source|binary)|neither the names? of .{2,99} nor"
    r"|(?:this )?\S{2,30} is (?:free software\W you can|distributed in the hope that it will)"
    r"|https?://\S{1,50}licenses?\S{0,30}$|you should have received a copy of the (?:gnu|lic)"
    r"|this source code form is subject to the"
    r"|(?:except )?(?:where|unless) otherwise (?:noted|stated).{0,80} licen[cs]ed under"
    r"|(?:this|the) (?:[\w’']+ ){1,6}(?:is|are) (?:made available|licen[cs]ed) under "
    rf".{{0,60}}(?:{_LAW}))"
)
_NOTICE = re.compile(
    r"spdx-(?:license-identifier|filecopyrighttext):|all rights reserved\W*$"
    r"|copyright (?:\(c\)|©) |(?:copyright|\(c\)|©) (?:\d{4}|.{0,60}\ball rights reserved)"
)
_LICENCE_TITLE = re.compile(
    rf"(?:the )?(?:software )?licen[cs](?:e|ing)|copying|copyright(?: notice)?|cc0 1\.0 universal"
    rf"|(?:the )?(?:{_LAW})[\w .,()\"-]{{0,40}}(?:licen[cs]e|legal code)[\w .,()\"-]{{0,30}}"
    r"|attribution[\w-]* \d\.\d international"
)
# One of these stands in each of them: a document without any needs no closer look.
_LICENCE_WORDS = (
    "licen", "copyright", "(c)", "©", "spdx", "permission", "redistribution", "software",
    "attribution", "extent", "neither the name", "reserved", "copying", "cc0", "legal code",
)  # fmt: skip
# What a whole licence says again and again below such a title.
_LEGALESE = re.compile(r"licensor|affirmer|derivative works|convey|propagate|covered (?:work|soft)")


@dataclass(frozen=True)
class Removed:
    """A piece that was taken out: `what` it is ("contents", "licence", …) and its text."""

    what: str
    text: str


class _Entry(NamedTuple):
    title: str  # in small letters, without marks and numbers
    page: int  # 0 where there is none, 1 where it is a Roman one
    dotted: bool


def without_boilerplate(markdown: str) -> tuple[str, list[Removed]]:
    """Take contents lists, licence texts and encoded data out; return the rest and the pieces.

    A document that is nothing but a licence becomes "". One that has none of these comes back as
    it is. A list counts as contents where it repeats the document's own headings, or names pages.
    """
    lines, said = markdown.split("\n"), markdown.casefold()
    what = _contents(lines, any(word in said for word in _CONTENTS_WORDS))
    if any(word in said for word in _LICENCE_WORDS):
        what |= _licences(lines)
    what |= dict.fromkeys(encoded_lines(lines), "encoded data")
    removed: list[Removed] = []
    kept: list[str] = []
    for label, run in groupby(range(len(lines)), lambda i: what.get(i, "")):
        piece = "\n".join(lines[i] for i in run)
        if label and piece.strip():
            removed.append(Removed(label, piece.strip("\n")))
        if label:
            continue
        # A blank line on each side of what was taken out makes two.
        kept.append(piece[1:] if kept and kept[-1].endswith("\n") and piece[:1] == "\n" else piece)
    text, runs = without_encoded_runs("\n".join(kept))
    removed += [Removed("encoded data", run) for run in runs]
    return (text.strip("\n") if removed else text), removed


def _licences(lines: list[str]) -> dict[int, str]:
    """Find paragraphs and comments that begin as licences do, and the headings above them."""
    said = [line.strip(_EDGES).casefold() for line in lines]
    head = [line for line in said[:40] if line][:3]
    if any(map(_LICENCE_TITLE.fullmatch, head)) and len(_LEGALESE.findall(" ".join(said))) > 5:
        return dict.fromkeys(range(len(lines)), "licence")
    found: set[int] = set()
    for blank, group in groupby(range(len(lines)), lambda i: not said[i]):
        found.update(() if blank else _legal(list(group), lines, said))
    alone = False  # whether nothing but a licence follows, down to the next heading
    for i in range(len(lines) - 1, -1, -1) if found else ():
        if alone and i not in found and _LICENCE_TITLE.fullmatch(said[i]):
            found.add(i)
        alone = i in found or (alone and not said[i])
    return _filled(found, lines, "licence")


def _legal(paragraph: list[int], lines: list[str], said: list[str]) -> list[int]:
    """Give the lines of a paragraph that are a licence's; code right below a comment is none."""
    notices = [i for i in paragraph if len(said[i]) < 150 and _NOTICE.match(said[i])]
    rest = sorted({*paragraph} - {*notices})
    marks = [_COMMENT.match(lines[i]) for i in rest]
    rest = [i for i, mark in zip(rest, marks, strict=True) if mark or not marks[0]]
    start = " ".join(said[i] for i in rest[:12])[:600]
    return notices + (rest if _LICENCE.match(start) else [])


def _filled(found: Iterable[int], lines: list[str], what: str) -> dict[int, str]:
    """Label lines, and the blank ones between two of them."""
    labelled = dict.fromkeys(found, what)
    for before, after in pairwise(sorted(labelled)):
        if not any(map(str.strip, lines[before + 1 : after])):
            labelled |= dict.fromkeys(range(before, after), what)
    return labelled


def _contents(lines: list[str], named: bool) -> dict[int, str]:
    """Find lists of the document's own headings, and lines that end in page numbers.

    `named` is whether a word for contents stands anywhere in the document.
    """
    if not named and sum(_may_list(line) for line in lines if line[:1] != "#") < 3:
        return {}
    prose = _prose(lines)
    entries = [_entry(line) if named or _may_list(line) else _Entry("", 0, False) for line in lines]
    titles = {
        entries[i].title
        for i, line in enumerate(lines)
        if prose[i] and (_HEADING.match(line) or set("".join(lines[i + 1 : i + 2])) == {"="})
    } - {""}
    found: set[int] = set()
    i, intro = 0, ""
    while i < len(lines):
        under = prose[i] and _CONTENTS.fullmatch(entries[i].title) is not None
        end = i + under
        while end < len(lines) and prose[end] and _belongs(lines[end], entries[end], under):
            end += 1
        block = [entries[k] for k in range(i + under, end) if lines[k].strip()]
        told = not under and intro.endswith(":") and not _CONTENTS.search(intro.casefold())
        if _is_contents(block, titles, under, told):
            found.update(k for k in range(i, end) if lines[k].strip())
        i = max(end, i + 1)
        intro = lines[i - 1].strip()[-200:] or intro
    return _filled(found, lines, "contents")


def _may_list(line: str) -> bool:
    """Whether a line can stand in a contents list that isn't called so; most lines can't."""
    return line[-1:].isalnum() and (line[-1].isdigit() or not line[0].isalpha() or "  " in line)


def _prose(lines: list[str]) -> list[bool]:
    inside, prose = False, []
    for line in lines:
        mark = _FENCE.match(line) is not None
        prose.append(not inside and not mark)
        inside ^= mark
    return prose


def _belongs(line: str, entry: _Entry, under: bool) -> bool:
    if not line.strip():
        return True
    if not entry.title or _HEADING.match(line) or _CONTENTS.fullmatch(entry.title):
        return False
    return under or entry.page > 0 or _ITEM.match(line) is not None


def _entry(line: str) -> _Entry:
    """Take a line apart as if it were of a contents list; a title over 200 characters is none."""
    line = line.strip().casefold() if len(line) <= 200 else ""
    found = _PAGE.search(line)
    rest = line[: found.start()] if found else line
    leader = rest[len(rest.rstrip(" \t.…·_")) :]
    dotted = leader.count(".") > 2 or "…" in leader
    page = (int(found[1]) if found[1].isdigit() else 1) if found else 0
    if not dotted and "\t" not in leader and "  " not in leader:
        rest, page = line, 0
    name = _NUMBERED.sub("", rest.strip(_EDGES + "+•"), count=1)
    return _Entry(" ".join(name.replace("*", "").replace("`", "").split()), page, dotted)


def _is_contents(entries: list[_Entry], titles: set[str], under: bool, told: bool) -> bool:
    """Judge a list; `told` is whether a sentence tells what it lists."""
    pages = [entry.page for entry in entries if entry.page]
    known = sum(entry.title in titles for entry in entries)
    if len(entries) < 3:
        return False
    if len(pages) > 2 and len(pages) >= 0.6 * len(entries) and pages == sorted(pages):
        # Without dots it may as well be a list of prices.
        dotted = sum(entry.dotted for entry in entries) > 0.6 * len(pages)
        return dotted or under or 2 * known >= len(entries)
    return known >= 0.8 * len(entries) and not told
