"""Every format is read with its structure: headings, tables, lists; chats line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_files import MAIL, docx, epub, notebook, paragraph, pdf, table, xlsx, zipped

from localtune.config.stages import CorpusConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.corpus.read.chats import are_chats, read_chats
from localtune.corpus.read.data import csv_to_markdown, json_to_markdown
from localtune.corpus.read.decode import decode
from localtune.corpus.read.layout import to_markdown
from localtune.corpus.read.pdf import read_pages
from localtune.corpus.read.source import code_to_markdown
from localtune.workspace import read_jsonl

WORD = docx(
    paragraph("Ferries", "Heading1")
    + paragraph("The ferry runs daily.")
    + table([["Pier", "Boat"], ["Four", "Kittiwake"]])
)
RST = "Tides\n=====\n\nHigh at noon.\n\n.. note:: Mind the step.\n\nSee :ref:`the pier <pier>`.\n"
FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "word.docx": (WORD, ["# Ferries", "| Pier | Boat |", "| Four | Kittiwake |"]),
    "sheet.xlsx": (
        xlsx([["Ticket", "Price"], ["Child", "3"]]),
        ["# Prices", "| Ticket | Price |", "| Child | 3 |"],
    ),
    "book.epub": (epub(), ["# Tides", "The ferry leaves at high water."]),
    "notes.ipynb": (notebook(), ["# Tides", "High at noon.", "```python\nheight = 4.2"]),
    "one.eml": (
        MAIL,
        ["# Ferry at noon", "Harbour Office (office@harbour.example.com)", "pier four"],
    ),
    "many.mbox": (
        f"From a@b Tue\n{MAIL}\nFrom a@b Wed\n{MAIL.replace('noon', 'dusk')}",
        ["# Ferry at noon", "# Ferry at dusk", "The dusk ferry"],
    ),
    "old.rtf": (rb"{\rtf1\ansi The caf\'e9 opens at nine.\par}", ["The café opens at nine."]),
    "page.rst": (RST, ["# Tides", "> Note: Mind the step.", "See the pier."]),
    "prices.csv": ("Ticket;Price\nChild;3,50\n", ["| Ticket | Price |", "| Child | 3,50 |"]),
    "set.yaml": ("pier: 4\nboat: Kittiwake\n", ["pier: 4"]),
    "data.json": (json.dumps({"pier": {"number": 4}}), ["pier:", "- number: 4"]),
    "tide.py": ('def high(x):\n    """Tell when the water is high."""\n', ["# high", "Tell when"]),
    "wrong.txt": (WORD, ["| Four | Kittiwake |"]),
    "web.xls": ("<html><table><tr><td>Pier</td><td>Four</td></tr></table>", ["| Pier | Four |"]),
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All files read at once, as in a build, private data left in."""
    folder = tmp_path_factory.mktemp("formats")
    docs = folder / "docs"
    docs.mkdir()
    for name, (content, _) in FILES.items():
        (docs / name).write_bytes(content.encode() if isinstance(content, str) else content)
    out = Artefacts.below(folder)
    read_corpus(docs, out, CorpusConfig(keep_private=True))
    return {row["path"]: row for row in read_jsonl(out.documents)}


@pytest.mark.parametrize("name", sorted(set(FILES) - {"wrong.txt"}))
def test_structure_is_kept(texts: dict[str, dict[str, Any]], name: str) -> None:
    row = texts[name]
    assert row["status"] == "read", row["reason"]
    for piece in FILES[name][1]:
        assert piece in row["text"], row["text"]


def test_what_the_bytes_are_counts_more_than_the_name(texts: dict[str, dict[str, Any]]) -> None:
    assert texts["wrong.txt"]["reason"] == "says the same as word.docx"


HEAD, FOOT = "Harbour handbook 2026", "Page {} of 4"
PROSE = "The harbour master answers the radio and opens the gate by"
HOLD = ["", "Boats wait", "Gulls wait", "Crews stay", "Nets hang"]


def pages() -> list[list[tuple[float, float, float, str]]]:
    """Four pages with a header and a footer; a heading, prose, and a table without lines."""
    made = []
    for n in range(1, 5):
        page = [(60.0, 800.0, 9.0, HEAD), (280.0, 30.0, 9.0, FOOT.format(n))]
        page += [(60, 740, 18, f"Chapter {'ABCD'[n - 1]}"), (60, 710, 11, f"{HOLD[n]}. {PROSE}")]
        page += [(60, 696, 11, f"hand at {n} sharp. {HOLD[n]} out-"), (60, 682, 11, "side it.")]
        for row, cells in enumerate((("Boat", "Pier"), (f"Gull {n}", "Four"), ("Skua", f"N{n}"))):
            page += [(60 + 200 * i, 640 - 20 * row, 11, cell) for i, cell in enumerate(cells)]
        made.append(page)
    return made


def test_a_pdf_gives_headings_paragraphs_and_tables() -> None:
    first = to_markdown(read_pages(pdf(pages())))[0]
    assert "# Chapter A" in first
    assert "| Boat | Pier |\n| --- | --- |\n| Gull 1 | Four |\n| Skua | N1 |" in first
    assert f"{PROSE}\nhand at 1 sharp." in first


def test_headers_footers_and_hyphens_of_a_pdf_go(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "book.pdf").write_bytes(pdf(pages()))
    out = Artefacts.below(tmp_path)
    read_corpus(docs, out, CorpusConfig())
    (row,) = read_jsonl(out.documents)
    assert "Harbour handbook" not in row["text"] and "Page 2" not in row["text"]
    assert "Gulls wait outside it." in row["text"].replace("\n", " ")
    assert [line for line in row["text"].split("\n") if line.startswith("# ")] == [
        f"# Chapter {letter}" for letter in "ABCD"
    ]
    assert set(row["removed"]) == {"page header", "page number"}


def test_pages_without_text_are_reported(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "scan.pdf").write_bytes(pdf([[], []]))
    (docs / "half.pdf").write_bytes(pdf([[(60, 700, 11, "The gate opens at nine.")], []]))
    out = Artefacts.below(tmp_path)
    read_corpus(docs, out, CorpusConfig())
    half, scan = read_jsonl(out.documents)
    assert scan["status"] == "skipped" and "no text on its 2 pages" in scan["reason"]
    assert half["status"] == "read" and half["removed"] == {"page without text": 1}


def test_columns_of_prose_stay_in_order() -> None:
    lines = ["The ferry to the island leaves at", "noon on working days, and later at", "weekends."]
    left = [(50.0, 700.0 - 14 * i, 10.0, f"L{i} {line}") for i, line in enumerate(lines * 3)]
    right = [(310.0, 700.0 - 14 * i, 10.0, f"R{i} {line}") for i, line in enumerate(lines * 3)]
    text = to_markdown(read_pages(pdf([left + right])))[0]
    assert text.index("L8") < text.index("R0") and "|" not in text


def test_an_archive_is_read_without_unpacking(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    inner = zipped({"deep.md": "The lamp is lit at six."})
    files = {"a.md": "The gate opens at nine.", "../up.md": "Boats wait.", ".git/x.md": "no"}
    (docs / "all.zip").write_bytes(zipped({**files, "inner.zip": inner, "b.exe": "MZ"}))
    out = Artefacts.below(tmp_path)
    read_corpus(docs, out, CorpusConfig())
    told = {row["path"]: row["status"] for row in read_jsonl(out.documents)}
    assert told == {
        "all.zip": "skipped", "all.zip/a.md": "read", "all.zip/up.md": "read",
        "all.zip/.git/x.md": "skipped", "all.zip/b.exe": "skipped",
        "all.zip/inner.zip": "skipped", "all.zip/inner.zip/deep.md": "read",
    }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"docs"} | {
        f"{name}.jsonl" for name in ("documents", "passages", "chats", "removed")
    }


ASKED = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "At nine."}]


@pytest.mark.parametrize(
    "line",
    [
        {"messages": ASKED},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "When?"}]}, ASKED[1]]},
        {"conversations": [
            {"from": "human", "value": "When?"}, {"from": "gpt", "value": "At nine."},
        ]},
        {"instruction": "When?", "input": "", "output": "At nine."},
    ],
)  # fmt: skip
def test_chats_of_three_shapes(line: dict[str, Any]) -> None:
    text = json.dumps(line)
    assert are_chats(text)
    assert read_chats(text).chats == [ASKED]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: Expecting"),
        ("[]", "not a JSON object"),
        ('{"a": 1}', 'none of "messages"'),
        ('{"messages": [{"role": "user", "content": "a"}]}', "must take turns"),
        ('{"messages": [{"role": "robot", "content": "a"}]}', "unknown role 'robot'"),
        ('{"messages": [{"role": "user", "content": ""}]}', "no text of 'user'"),
        ('{"messages": [{"role": "user", "content": 7}]}', "'user' is no text"),
        ('{"messages": [7]}', "a message that is not an object"),
        ("[" * 100_000, "line 2: "),
    ],
)
def test_a_wrong_chat_is_named_with_its_line(line: str, why: str) -> None:
    found = read_chats("\n".join([json.dumps({"messages": ASKED}), line]))
    assert len(found.chats) == 1
    assert why in found.wrong[0] and found.wrong[0].startswith("line 2: ")


def test_chats_are_made_safe(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    told = [{"role": "user", "content": "Mail <|im_start|> a.keller@harbour.org\nnow?"}, ASKED[1]]
    lines = [json.dumps({"messages": told}), json.dumps({"messages": told}), "{"]
    (docs / "chats.jsonl").write_text("\n".join(lines))
    (docs / "b.md").write_text("The gate opens at nine.")
    out = Artefacts.below(tmp_path)
    read_corpus(docs, out, CorpusConfig())
    (chat,) = read_jsonl(out.chats)
    content = chat["messages"][0]["content"]
    assert "< |im_start" in content and "harbour.org" not in content and "\nnow?" in content
    row = next(row for row in read_jsonl(out.documents) if row["path"] == "chats.jsonl")
    assert row["chats"] == 1 and row["removed"] == {"unusable chat": 1}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("名前,年齢\n佐藤太郎,30\n三木英子,25\n", "cp932"),
        ("図書館は九時に開きます。", "euc_jp"),
        ("图书馆每天上午九点开门。", "gb18030"),
        ("圖書館每天上午九點開門。", "big5"),
        ("도서관은 매일 아침 아홉 시에 문을 엽니다.", "euc_kr"),
        ("Библиотека открыта каждый день.", "cp1251"),
        ("Библиотека открыта каждый день.", "koi8_r"),
        ("Η βιβλιοθήκη ανοίγει στις εννέα.", "cp1253"),
        ("הספרייה נפתחת בשעה תשע בבוקר.", "cp1255"),
        ("تفتح المكتبة في الساعة التاسعة.", "cp1256"),
        ("Das Büro öffnet um 9 Uhr – “täglich”.", "cp1252"),
        ("Où est l'élève?", "latin-1"),
        ("Der Zähler steht im Flur.", "utf-16"),
    ],
)
def test_encodings_of_short_texts(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_csv_delimiters_and_ragged_rows() -> None:
    assert csv_to_markdown("a\tb\n1\t2|3\t4\n") == (
        "| a | b |  |\n| --- | --- | --- |\n| 1 | 2/3 | 4 |"
    )
    assert csv_to_markdown('name,"opening, hours"\nGate,"9, 12"\n').splitlines()[2] == (
        "| Gate | 9, 12 |"
    )
    assert csv_to_markdown("\n , \n") == ""


def test_json_keeps_records_and_long_texts_apart() -> None:
    told = "The library opens at nine o'clock, and on Sundays at ten o'clock in the morning."
    text = json_to_markdown(json.dumps([{"title": "Hours", "text": told}, {"tags": ["a", "b"]}]))
    assert text == f"- title: Hours\n\n{told}\n\n\n- tags: a, b"


@pytest.mark.parametrize(
    ("name", "code", "parts"),
    [
        ("a.js", "/** Adds two. */\nexport function add(a) {\n  // never throws\n}\n",
         ["## add\n\n`export function add(a) {`", "Adds two.", "never throws"]),
        ("a.go", "// Open it.\nfunc (g *Gate) Open(a int) error {\n}\n", ["## Open", "Open it."]),
        ("a.rs", "/// Opens the gate.\npub fn open(a: u8) -> u8 { a }\n", ["## open", "Opens the"]),
        ("a.c", "/* Opens the gate. */\nint open_gate(char *a) {\n}\n", ["## open_gate", "Opens"]),
        ("a.sh", "#!/bin/sh\n# Backs up all.\nbackup() {\n", ["## backup", "Backs up all."]),
        ("A.PL", "# Opens the gate.\nsub gate {\n}\n", ["Opens the gate."]),
        ("a.r", "# Opens the gate.\ngate <- 1\n", ["Opens the gate."]),
        ("a.sql", "-- All orders of a day.\nCREATE TABLE orders (id int);\n", ["## orders"]),
        ("a.py", '#!/usr/bin/python\n"""Of the gate."""\nx = """not told"""\n', ["Of the gate."]),
    ],
)  # fmt: skip
def test_comments_stand_under_what_they_explain(name: str, code: str, parts: list[str]) -> None:
    text = code_to_markdown(code, name)
    for part in parts:
        assert part in text, text
    assert "not told" not in text and "#!" not in text
