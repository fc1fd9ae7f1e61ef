"""Writers of files that are made to break readers: PDF, ZIP, Office, EPUB. No library does."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

MB = 1_000_000
ANY = "read: |skipped: |failed: (nested|damaged|takes longer|not )"
# What is read may say what another file says.
READ = "read: $|skipped: says (the same as|only what)"
DEEP, BROKEN = "failed: nested too deeply", "failed: damaged or cut short"
BOMB = "failed: unpacks to far more than its size"
CRASH = "failed: its reader crashed: damaged, or more memory|failed: needs more memory"
PROSE = "The gate opens at nine each morning. Visitors who come by train walk up from the river. "
XML = '<?xml version="1.0"?>'
CATALOGUE = "<< /Type /Catalog /Pages 2 0 R >>"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORD = 'w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def pdf(objects: list[str | bytes], trailer: str = "") -> bytes:
    """Write a PDF of these objects; the first one is its catalogue."""
    out, starts = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, thing in enumerate(objects, 1):
        starts.append(len(out))
        content = thing if isinstance(thing, bytes) else thing.encode()
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = "".join(f"{start:010} 00000 n \n" for start in starts)
    end = f"xref\n0 {len(starts) + 1}\n0000000000 65535 f \n{table}trailer\n"
    end += f"<< /Size {len(starts) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + end.encode()


def page(
    content: bytes = b"", box: str = "0 0 612 792", code: str = "", trailer: str = ""
) -> bytes:
    content = content or f"BT /F1 12 Tf 9 9 Td ({PROSE}) Tj ET".encode()
    return pdf(
        [
            CATALOGUE,
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R"
            " /Resources << /Font << /F1 5 0 R >> >> >>",
            f"<< /Length {len(content)} {code} >>\nstream\n".encode() + content + b"\nendstream",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ],
        trailer,
    )


def empty_pages(number: int) -> bytes:
    kids = " ".join(f"{i + 3} 0 R" for i in range(number))
    pages = ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * number
    return pdf([CATALOGUE, f"<< /Type /Pages /Kids [{kids}] /Count {number} >>", *pages])


def zipped(*members: tuple[str | zipfile.ZipInfo, str | bytes], method: int = 8) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def bomb(name: str, size: int, part: bytes, *others: tuple[str, str], around: str = "\n") -> bytes:
    """Write a ZIP whose last member unpacks to `size` bytes, without packing as many."""
    before, after = (text.encode() for text in around.split("\n"))
    part *= MB // len(part)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += block * (size // MB) + packer.compress(after) + packer.flush()
    crc = zlib.crc32(before)
    for _ in range(size // MB):
        crc = zlib.crc32(part, crc)
    whole = len(before) + len(part) * (size // MB) + len(after)
    out = bytearray(zipped(*others, (name, packed), method=0))
    facts = (8, 0, 0, zlib.crc32(after, crc), len(packed), whole)  # method, date, sizes
    struct.pack_into("<HHHLLL", out, out.index(packed) - len(name) - 22, *facts)
    struct.pack_into("<HHHLLL", out, out.rindex(b"PK\x01\x02") + 10, *facts)
    return bytes(out)


def package(main: str, kind: str) -> list[tuple[str, str]]:
    """Return what every Office file holds beside its content."""
    types = "application/vnd.openxmlformats-officedocument."
    return [
        ("[Content_Types].xml", f'{XML}<Types xmlns="{_PACKAGE}/content-types"><Override '
         f'PartName="/{main}" ContentType="{types}{kind}.main+xml"/></Types>'),
        ("_rels/.rels", f'{XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship '
         f'Id="r1" Type="{_OFFICE}/officeDocument" Target="{main}"/></Relationships>'),
    ]  # fmt: skip


WORD_PARTS = package("word/document.xml", "wordprocessingml.document")


def docx(text: str, doctype: str = "", around: str = "\n") -> bytes:
    body = f"<w:body>{around.replace(chr(10), f'<w:p><w:r><w:t>{text}</w:t></w:r></w:p>')}</w:body>"
    return zipped(*WORD_PARTS, ("word/document.xml", f"{XML}{doctype}<{WORD}>{body}</w:document>"))


def xlsx(text: str, doctype: str = "") -> bytes:
    parts = package("xl/workbook.xml", "spreadsheetml.sheet")
    link = f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="sheet1.xml"/>'
    cell = f'<c r="A1" t="inlineStr"><is><t>{text}</t></is></c>'
    return zipped(
        *parts,
        ("xl/workbook.xml", f'{XML}<workbook {_SHEET} xmlns:r="{_OFFICE}"><sheets><sheet name="S"'
         ' sheetId="1" r:id="r1"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", f'{XML}<Relationships xmlns="{_PACKAGE}/relationships">'
         f"{link}</Relationships>"),
        ("xl/sheet1.xml", f'{XML}{doctype}<worksheet {_SHEET}><sheetData><row r="1">{cell}</row>'
         "</sheetData></worksheet>"),
    )  # fmt: skip


def epub(text: str, doctype: str = "") -> bytes:
    page = f"{XML}{doctype}<html><body><h1>Gate</h1><p>{text}</p></body></html>"
    outside = "../../outside.txt"
    items = "".join(f'<item id="{i}" href="{h}" media-type="application/xhtml+xml"/>'
                    for i, h in (("a", "a.xhtml"), ("b", outside)))  # fmt: skip
    spine = '<spine><itemref idref="a"/><itemref idref="b"/></spine>'
    return zipped(
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", f'{XML}<container><rootfiles><rootfile full-path="c.opf" '
         'media-type="application/oebps-package+xml"/></rootfiles></container>'),
        ("c.opf", f'{XML}<package version="3.0"><metadata/><manifest>{items}</manifest>{spine}'
         "</package>"),
        ("a.xhtml", page),
    )  # fmt: skip


def xxe(docs: Path) -> str:
    return f'<!DOCTYPE x [<!ENTITY xxe SYSTEM "file://{docs.parent}/outside.txt">]>'


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 11))
    + "]>"
)


def changed(data: bytes, mark: bytes, at: int, new: bytes) -> bytes:
    """Overwrite bytes at an offset from the last place of a mark."""
    begin = data.rindex(mark) + at
    return data[:begin] + new + data[begin + len(new) :]


def nested(data: bytes, depth: int, copies: int = 1) -> bytes:
    for _ in range(depth):
        data = zipped(*((f"{i}.zip", data) for i in range(copies)))
    return data


def multipart(depth: int) -> str:
    mail = "".join(
        f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(depth)
    )
    return f"MIME-Version: 1.0\nSubject: Deep\n{mail}Content-Type: text/plain\n\n{PROSE}\n"


def lines(number: int, text: str) -> str:
    return "".join(text.replace("#", str(i)) + "\n" for i in range(number))


ONE = zipped(("a.md", f"# Gate\n\n{PROSE}"))
LOCK = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'a' * 64}> /U <{'b' * 64}> >> /ID [<> <>]"
LOOP = "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 100000 >>"
ODT = ("mimetype", "application/vnd.oasis.opendocument.text")
TABLES = f"{'<w:tbl><w:tr><w:tc>' * 9999}\n{'</w:tc></w:tr></w:tbl>' * 9999}"
NOISE = random.Random(7).randbytes(50_000)
LIAR = bomb("a.txt", 300 * MB, b"word ")
CHAT = '{"messages":[{"role":"user","content":"When?"},{"role":"assistant","content":"At nine."}]}'
WRONG = ["[]", "7", '{"messages":7}', '{"messages":[{"role":["x"]}]}', '{"a', "[" * 5000]
LETTERS = zlib.compress(b"BT /F1 1 Tf " + b"(abcdefghij) Tj 0 1 Td " * 500_000 + b"ET")


def notebook(text: str) -> str:
    cells = [{"cell_type": "markdown", "source": [text]}, {"cell_type": "x"}, {}, None, 7]
    return json.dumps({"nbformat": 4, "cells": cells})


def three_megabytes() -> str:
    return " ".join(f"word{i * i % 99991}" for i in range(330_000))


# Name: content, and what must be told of it.
Files = dict[str, tuple[Callable[[Path], str | bytes], str]]
FILES: Files = {
    "cut.pdf": (lambda _: page()[:300], BROKEN),
    "encrypted.pdf": (lambda _: page(trailer=LOCK), "failed: encrypted"),
    "pages.pdf": (lambda _: empty_pages(100_000), "skipped: .*100,?000 .*pages"),
    "claims.pdf": (lambda _: page().replace(b"/Count 1", b"/Count 2000000000"), READ),
    "loop.pdf": (lambda _: pdf([CATALOGUE, LOOP]), BROKEN),
    "huge.pdf": (lambda _: page(box="-1e30 -1e30 1e30 1e30"), READ),
    "exe.pdf": (lambda _: b"MZ\x90\0" * 9999, "failed: not PDF"),
    "pdf.txt": (lambda _: page(), READ),
    "bomb.docx": (lambda _: bomb("word/document.xml", 2000 * MB, b" ", *WORD_PARTS), BOMB),
    "bomb.odt": (lambda _: bomb("content.xml", 2000 * MB, b" ", ODT), BOMB),
    "xxe.docx": (lambda docs: docx(f"{PROSE} &xxe;", xxe(docs)), READ),
    "xxe.xlsx": (lambda docs: xlsx(f"{PROSE} &xxe;", xxe(docs)), f"{READ}|skipped: no text"),
    "xxe.epub": (lambda docs: epub(f"{PROSE} &xxe;", xxe(docs)), READ),
    "xxe.html": (lambda docs: f"{xxe(docs)}<html><p>{PROSE} &xxe;</p></html>", READ),
    "xxe.xhtml": (lambda docs: f"{XML}{xxe(docs)}<html><p>{PROSE} &xxe;</p></html>", READ),
    "xxe.svg": (lambda docs: f"{xxe(docs)}<svg><text>&xxe;</text></svg>", "skipped: the ending"),
    "include.rst": (lambda _: f"{PROSE}\n\n.. include:: ../outside.txt\n", READ),
    "laughs.docx": (lambda _: docx(f"{PROSE} &l10;", LAUGHS), READ),
    "laughs.epub": (lambda _: epub(f"{PROSE} &l10;", LAUGHS), READ),
    "deep.docx": (lambda _: docx(PROSE, around=TABLES), "failed: "),
    "random.docx": (lambda _: zipped(*WORD_PARTS, ("word/document.xml", NOISE)), BROKEN),
    "zip.docx": (lambda _: ONE, "skipped: an archive"),
    "old.xls": (lambda _: f"<html><table><tr><td>{PROSE}</td></tr></table></html>", READ),
    "deep.zip": (lambda _: nested(ONE, 30), "skipped: an archive"),
    "nested.zip": (lambda _: nested(ONE, 5, copies=16), "failed: holds more than 10,000 files"),
    "42.zip": (lambda _: nested(bomb("0.txt", 40 * MB, b"word\n"), 2, 16), "failed: unpacks to"),
    "many.zip": (lambda _: zipped(*((f"{i}.md", "x") for i in range(20_000))), "failed: holds 20"),
    "places.zip": (lambda _: changed(ONE, b"PK\1\2", 42, b"\x99\x99\x99"), "skipped: an archive"),
    "directory.zip": (lambda _: changed(ONE, b"PK\5\6", 12, b"\xf0\xff\xff\xff"), BROKEN),
    "locked.zip": (lambda _: changed(ONE, b"PK\1\2", 8, b"\1"), "skipped: an archive"),
    "method.zip": (lambda _: changed(ONE, b"PK\1\2", 10, b"\x63"), "skipped: an archive"),
    "liar.zip": (lambda _: changed(LIAR, b"PK\1\2", 24, b"\x09\0\0\0"), "skipped: an archive"),
    "divs.html": (lambda _: f"{'<div>' * 100_000}{PROSE}{'</div>' * 100_000}", DEEP),
    "divs.txt.html": (lambda _: f"{'<div>' * 500}{PROSE}{'</div>' * 500}", READ),
    "bold.html": (lambda _: f"{'<b>' * 100_000}{'<p>' * 100_000}{PROSE}", DEEP),
    "quotes.md": (lambda _: f"{'>' * 100_000} {PROSE}", ANY),
    "lists.md": (lambda _: f"{'- ' * 100_000}{PROSE}", ANY),
    "brackets.md": (lambda _: f"{'[' * 100_000}{PROSE}{']' * 100_000}", ANY),
    "images.md": (lambda _: f"{'![' * 50_000}{PROSE}{'](a)' * 50_000}", ANY),
    "comments.md": (lambda _: f"{PROSE}{'<!-- ' * 50_000}{'<script ' * 50_000}", ANY),
    "template.md": (lambda _: f"{PROSE}{'{% ' * 50_000}{'{{ ' * 50_000}", ANY),
    "deep.json": (lambda _: "[" * MB + "]" * MB, DEEP),
    "keys.json": (lambda _: '{"a":' * 99_999 + "1" + "}" * 99_999, DEEP),
    "bomb.yaml": (lambda _: f"a: &a [x]\n{lines(20, 'b#: &b# [*a, *a, *a, *a]')}", ANY),
    "ragged.csv": (lambda _: "a,b\n" * 200_000 + "," * 100_000 + "x\n", "failed: a table of"),
    "utf16.csv": (lambda _: "Name;Opens\nNorth gate;nine\n".encode("utf-16"), READ),
    "nul.txt": (lambda _: b"The gate\0 opens" * 100, "skipped: binary"),
    "nul.md": (lambda _: b"\0" * 1000, "skipped: binary"),
    "deep.eml": (lambda _: multipart(20), READ),
    "deeper.eml": (lambda _: multipart(5000), ANY),
    "cells.ipynb": (lambda _: notebook(PROSE), ANY),
    "chats.jsonl": (lambda _: "\n".join([CHAT, *WRONG]), READ),
    "wrong.jsonl": (lambda _: "\n".join(["{}", *WRONG]), "failed: |skipped: "),
    "deep.rtf": (lambda _: f"{{\\rtf1 {'{' * MB}{PROSE}{'}' * MB}}}", ANY),
    "bin.rtf": (lambda _: f"{{\\rtf1 \\bin2000000000 {PROSE}}}", ANY),
    "crash.pdf": (lambda _: page(LETTERS, code="/Filter /FlateDecode"), CRASH),
}  # fmt: skip
SLOW: Files = {
    "columns.csv": (lambda _: ",".join(f"c{i}" for i in range(100_000)) + "\n1,2\n", ANY),
    "cell.csv": (lambda _: f"a,b\n1,{three_megabytes()}\n", ANY),
    "line.md": (lambda _: three_megabytes(), ANY),
    "line.txt": (lambda _: three_megabytes(), ANY),
    "line.rst": (lambda _: three_megabytes(), ANY),
    "line.html": (lambda _: three_megabytes(), ANY),
    "line.yaml": (lambda _: three_megabytes(), ANY),
    "line.json": (lambda _: json.dumps([three_megabytes()]), ANY),
    "line.jsonl": (lambda _: json.dumps([three_megabytes()]), ANY),
    "line.ipynb": (
        lambda _: notebook(three_megabytes()),
        ANY,
    ),
    "line.eml": (lambda _: f"Subject: Line\n\n{three_megabytes()}", ANY),
    "line.mbox": (lambda _: f"From x\nSubject: Line\n\n{three_megabytes()}", ANY),
    "line.rtf": (lambda _: f"{{\\rtf1 {three_megabytes()}}}", f"{ANY}|{CRASH}"),
    "code.js": (lambda _: "var a=function(b){return b+1};/* adds one to b */" * 30_000, ANY),
    "code.py": (lambda _: f"x=[{'1,' * 800_000}]", ANY),
}
