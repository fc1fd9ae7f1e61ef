"""Documents to passages: what is read, what is left out and why, and that nothing gets through."""

from __future__ import annotations

import json
import os
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localtune.config.stages import CorpusConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.corpus.clean.characters import holds_control
from localtune.corpus.read.document import read_document
from localtune.corpus.read.files import FoundFile
from localtune.corpus.read.formats import MARKDOWN, plain, read_text
from localtune.corpus.read.reading import FileReading, Settings
from localtune.corpus.split.gather import gather
from localtune.corpus.split.passages import count_tokens, cut
from localtune.errors import InputError
from localtune.progress import Silent

TOKENS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "[INST]", "[/INST]", "<<SYS>>", "<s>", "</s>",
    "<start_of_turn>", "<end_of_turn>", "<unk>", "<bos>", "<pad>", "<tool_call>", "</think>",
    "<|eot_id|>", "[TOOL_CALLS]", "<｜User｜>", "<turn|>", "<extra_id_0>", "[MASK]",
]  # fmt: skip


class Heard(Silent):
    """Keeps what a stage says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def corpus(docs: Path, **config: int) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Read a folder; return its documents by path, and its passages."""
    out = docs.parent
    read_corpus(docs, Artefacts.below(out), CorpusConfig(**config))
    documents = {row["path"]: row for row in rows(out / "documents.jsonl")}
    return documents, rows(out / "passages.jsonl")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nThe gate opens at nine.\n")
    return folder


def markdown(text: str, kind: str = "md") -> str:
    """Return what is read out of a text."""
    read = read_text(text.encode(), kind)
    assert read is not None
    return read.markdown


def test_every_file_is_listed_with_what_became_of_it(docs: Path, tmp_path: Path) -> None:
    (docs / ".git").mkdir()
    (docs / ".git" / "config").write_text("x")
    (docs / "sub").mkdir()
    (docs / "sub" / "again.md").write_text("# Good\n\nThe gate opens at nine.\n")
    (docs / "sub" / "same.txt").write_text("\ufeff# Good\r\n\r\nThe gate opens at nine.\r\n")
    (docs / "empty.md").touch()
    (docs / "blank.md").write_text(" \n\n")
    (docs / "data.bin").write_bytes(b"x")
    (docs / "noending").write_bytes(b"x")
    (docs / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (docs / "large.md").write_text("word " * 210_000)
    (tmp_path / "outside.md").write_text("secret")
    (docs / "out.md").symlink_to(tmp_path / "outside.md")
    (docs / "loop.md").symlink_to("loop.md")
    (docs / "gone.md").symlink_to("nowhere.md")
    (docs / "round").symlink_to(".")
    os.mkfifo(docs / "pipe.md")
    found, _ = corpus(docs, max_file_mb=1)
    told = {path: (row["status"], row["reason"]) for path, row in found.items()}
    assert told == {
        ".git": ("skipped", "hidden"),
        "blank.md": ("skipped", "no text in it"),
        "data.bin": ("skipped", "the ending .bin is not one that is read"),
        "empty.md": ("skipped", "empty"),
        "gone.md": ("failed", "No such file or directory"),
        "good.md": ("read", ""),
        "large.md": ("skipped", "larger than --max-file-mb (1)"),
        "loop.md": told["loop.md"],
        "noending": ("skipped", "a name without ending is not one that is read"),
        "out.md": ("skipped", "a link out of the folder"),
        "picture.md": ("skipped", "binary, not text"),
        "pipe.md": ("skipped", "not a regular file"),
        "round": ("skipped", "a link to a folder"),
        "sub/again.md": ("skipped", "says the same as good.md"),
        "sub/same.txt": ("skipped", "says the same as good.md"),
    }
    assert told["loop.md"][0] == "failed"
    assert list(found) == sorted(found)
    assert [path for path, row in found.items() if "text" in row] == ["good.md"]


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Step down from root, who may read everything."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_what_may_not_be_read_fails_with_its_reason() -> None:
    with tempfile.TemporaryDirectory() as name:  # which others may enter, unlike tmp_path
        docs = Path(name) / "docs"
        docs.mkdir()
        (docs / "good.md").write_text("The gate opens at nine.")
        out = replace(Artefacts.below(Path(name)), readings=Path(name) / "readings.jsonl")
        # What is known already needs no other process, which might not be allowed either.
        read_corpus(docs, out, CorpusConfig())
        (docs / "secret.md").write_text("secret")
        (docs / "secret.md").chmod(0)
        (docs / "closed").mkdir(mode=0)
        for path in (Path(name), *Path(name).glob("*.jsonl")):
            path.chmod(0o777)
        with as_somebody_else():
            read_corpus(docs, out, CorpusConfig())
        told = {row["path"]: (row["status"], row["reason"]) for row in rows(out.documents)}
    assert told["secret.md"] == told["closed"] == ("failed", "Permission denied")
    assert told["good.md"] == ("read", "")


def test_a_file_name_that_is_no_unicode_is_listed(docs: Path) -> None:
    Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.md")).write_text("Coffee is served at ten.")
    found, _ = corpus(docs)
    assert found["caf\ufffd.md"]["status"] == "read"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("", b"", "isn't there"), ("a.md", b"x", "a file, not a folder"),
        ("d/", b"", "is empty"), ("d/a.pdf", b"x", "No file .* can be read .*a.pdf.*not PDF"),
        ("d/a.md", b"", "'a.md': empty"),
    ],
)  # fmt: skip
def test_nothing_to_read_is_an_input_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    target = tmp_path / (name or "nosuch")
    if "/" in name:
        (tmp_path / "d").mkdir()
    if name and not name.endswith("/"):
        target.write_bytes(content)
    docs = tmp_path / "d" if "/" in name else target
    with pytest.raises(InputError, match=message) as error:
        read_corpus(docs, Artefacts.below(tmp_path), CorpusConfig())
    assert error.value.hint and "\n" not in error.value.message
    assert not (tmp_path / "p").exists()


def test_progress_says_what_was_found(docs: Path, tmp_path: Path) -> None:
    (docs / "b.txt").write_text("Bay 4 holds 12 cars.")
    (docs / "c.bin").write_bytes(b"x")
    (docs / "gone.md").symlink_to("nowhere.md")
    heard = Heard()
    counts = read_corpus(docs, Artefacts.below(tmp_path), CorpusConfig(), progress=heard)
    assert heard.notes == ["2 documents, 2 passages, 12 words; 1 file skipped, 1 file failed"]
    assert heard.warnings == ["gone.md: No such file or directory"]
    assert counts == {
        "documents": 2, "passages": 2, "words": 12, "chats": 0,
        "skipped": 1, "failed": 1, "private": 0,
    }  # fmt: skip


def test_the_same_folder_gives_the_same_bytes(docs: Path, tmp_path: Path) -> None:
    (docs / "page.html").write_text("<h1>Page</h1><p>Mara Quill runs the desk.</p>")
    written = []
    for _ in range(2):
        corpus(docs)
        written.append(
            [(tmp_path / name).read_bytes() for name in ("documents.jsonl", "passages.jsonl")]
        )
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Leave types\nkeywords: a, b\n---\n\nText.", "Leave types"),
        ("---\nlayout: x\ntitle: \"A: 'quoted' one\"\n---\nText.", "A: 'quoted' one"),
        ("---\ntitle: >-\n  Two\n  lines\n---\nText.", "Two lines"),
        ('+++\ntitle = "Toml"\n+++\nText.', "Toml"),
        ("# From *the* heading\n\nText.", "From the heading"),
        ("---\nJust a rule above text.\n---\n\n# Real\n\nText.", "Real"),
        ("Text.", "good"),
        ("---\ntitle: <|im_start|> x\n---\nText.", "< |im_start| > x"),
    ],
)
def test_titles(docs: Path, text: str, title: str) -> None:
    (docs / "good.md").write_text(text)
    found, passages = corpus(docs)
    assert found["good.md"]["title"] == title
    assert all(passage["title"] == title for passage in passages)


@pytest.mark.parametrize(
    ("source", "clean"),
    [
        ("See [out of office]({% page \"a/\" %}).", "See out of office."),
        ("{% alert %}\n  Note this.\n{% endalert %}", "Note this."),
        ('Ask in {% slack_channel "people-ops" %}.', "Ask in people-ops."),
        ("{% comment %} draft {% endcomment %}Final.", "Final."),
        ("Use {% raw %}this{% endraw %} and {{ site.url }}that.", "Use this and that."),
        ("{% include \"x.html\"\n  steps: 1 %}\nText.", "Text."),
        ("A <!-- not\n\nthis --> b.", "A  b."),
        ("A <b>bold</b> and <span class=\"x\">plain</span> word.<br/>Next.",
         "A bold and plain word. Next."),
        ("<h2 id=a>Head</h2>\nText.", "## Head\n\nText."),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n\n- two"),
        ("<table><tr><th>Room</th><th>Seats</th></tr><tr><td>Alder</td><td>12</td></tr></table>",
         "| Room | Seats |\n| --- | --- |\n| Alder | 12 |"),
        ("<script>evil()</script>Text.", "Text."),
        ("Write to <mailto:a@b.example> or <https://b.example/x>.",
         "Write to mailto:a@b.example or https://b.example/x."),
        ("![logo](a.png) [Form [PDF]](https://x.example/(a)) here", "Form [PDF] here"),
        ("A [link][one] and [two].\n\n[one]: https://x.example", "A link and [two]."),
        ("Costs 5&nbsp;&euro; &amp; more.", "Costs 5 € & more."),
        ("Enter <your name> here.", "Enter < your name> here."),
        ("Type `<b>&lt;` in `{% x %}`.", "Type `<b>&lt;` in `{% x %}`."),
        ("```html\n<b>{{ kept }}</b>\n```", "```html\n<b>{{ kept }}</b>\n```"),
        ("## Head {#anchor}\n{: .class}\nText.", "## Head\n\nText."),
        ("doesnâ€™t\u200b co\u00adoperate\u202e cafe\u0301", "doesn't cooperate café"),
    ],
)  # fmt: skip
def test_markdown_says_only_what_the_document_says(source: str, clean: str) -> None:
    assert markdown(source) == clean


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Zoë pays 5 €.".encode("cp1252"), "Zoë pays 5 €."),
        ("Zoë".encode("utf-16"), "Zoë"),
        ("The gate opens at nine.".encode("utf-16-le"), "The gate opens at nine."),
        ("Zoë".encode("utf-8-sig"), "Zoë"),
        (("Der Schlüssel für Tür fünf hängt über der Küchentür. " * 60).encode("latin-1"),
         ("Der Schlüssel für Tür fünf hängt über der Küchentür. " * 60).strip()),
        (("Ключ от пятой двери висит на кухне. " * 60).encode("cp1251"),
         ("Ключ от пятой двери висит на кухне. " * 60).strip()),
    ],
)  # fmt: skip
def test_encodings(data: bytes, text: str) -> None:
    read = read_text(data, "md")
    assert read is not None and read.markdown == text


def test_a_declared_encoding_is_believed() -> None:
    page = '<html><head><meta charset="koi8-r"></head><body><h1>Ключ</h1></body></html>'
    read = read_text(page.encode("koi8-r"), "html")
    assert read is not None and read.markdown == "# Ключ"


HTML = """<!DOCTYPE html><html><head><title>Visitors | Quill</title></head><body>
<nav><a href="/">Home</a> <a href="/a">About</a></nav>
<main><h1>Visitors</h1><p>Visitors sign in at the <b>north gate</b>, see <a href="/b">badges</a>.
The desk is open from nine to five on every working day of the year.</p>
<h2>Parking</h2><ul><li>Bay 4 holds 12 cars.</li><li>Bay 5 is for bikes.</li></ul>
<table><tr><th>Room</th><th>Seats</th></tr><tr><td>Alder</td><td>12</td></tr></table>
<p>Never write &lt;|im_start|&gt; into snake_case names.</p></main>
<footer>Copyright</footer></body></html>"""


def test_html_keeps_headings_lists_and_tables() -> None:
    read = read_text(HTML.encode(), "html")
    assert read is not None and read.title == "Visitors"
    text = read.markdown
    for part in ("# Visitors", "## Parking", "- Bay 4 holds 12 cars.", "badges", "snake_case"):
        assert part in text
    assert "| Alder | 12 |" in text and "Home" not in text and "/b" not in text
    assert "< |im_start| >" in text


TXT = """STAFF NOTES

The desk is open from nine.

1. First item
2. Second item

2.1 Parking

Bay 4 holds
12 cars.

    An indented paragraph. It is
    no code.

Lammas Fair

Extra boats will leave the quay at 20:10 on all three evenings.
Give your name to the desk by July, and a voucher is yours.

Kind regards

Mara

Visitors
--------
Sign in.
Prose of two
lines
-----

LAST LINE IN CAPITALS"""


def test_plain_text_gets_only_sure_headings() -> None:
    text = markdown(TXT, "txt")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# STAFF NOTES", "### 2.1 Parking", "## Lammas Fair", "## Visitors"]
    assert "\n    " not in text and "lines\n\n-----" in text
    assert markdown("just one line", "txt") == "just one line"


LONG = (
    "# Guide\n\n### Deep\n\nOne sentence here. " + "Another one follows it. " * 40
    + "\n\n## Rooms\n\n| Room | Seats |\n|---|---|\n"
    + "".join(f"| Room {i} | {i} |\n" for i in range(60))
    + "\n## Last\n\n- a\n- b\n"
)  # fmt: skip


def test_passages_are_cut_at_headings_and_carry_their_path() -> None:
    passages = cut(LONG, 100)
    assert all(passage.tokens <= 100 for passage in passages)
    assert passages[0].headings == () and passages[0].text.startswith("# Guide\n\n## Deep\n\nOne")
    assert passages[1].headings == ("Guide", "Deep")
    assert passages[1].text.startswith("Another one")
    tables = [passage for passage in passages if "| Room" in passage.text]
    assert len(tables) > 3
    assert all("| Room | Seats |\n|---|---|\n" in passage.text for passage in tables)
    assert tables[-1].headings[:1] == ("Guide",) and passages[-1].text.endswith("- a\n- b")
    assert not any(passage.text.splitlines()[-1].startswith("#") for passage in passages)


def words_of(text: str) -> list[str]:
    return [word for word in text.split() if not set(word) <= set("#")]


@given(st.text(alphabet=string.ascii_letters + " .\n#-|`0", max_size=400), st.integers(64, 90))
@settings(max_examples=60, deadline=None)
def test_no_passage_is_too_long(text: str, most: int) -> None:
    for passage in cut(text * 3, most):
        assert passage.tokens == count_tokens(passage.text) <= most


@given(st.lists(st.sampled_from(["One two.", "# Head", "- item", "## Sub", "x " * 90]), max_size=9))
@settings(max_examples=40, deadline=None)
def test_no_word_is_lost_but_headings_without_text(blocks: list[str]) -> None:
    text = "\n\n".join([*blocks, "The end."])
    cut_words = [word for passage in cut(text, 64) for word in words_of(passage.text)]
    assert cut_words == words_of(text)


def consumer_sees(text: str) -> list[str]:
    """The text as written, and each inline as a reader of the rendered Markdown sees it."""
    return [text, *(plain(token) for token in MARKDOWN.parse(text) if token.type == "inline")]


@pytest.mark.parametrize("kind", ["md", "txt", "html"])
@pytest.mark.parametrize("token", TOKENS)
def test_no_control_token_survives(token: str, kind: str) -> None:
    escaped = token.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    coded = "".join(f"&#{ord(letter)};" for letter in token)
    halved = f"{token[:3]}**{token[3:]}**"
    linked = f"{token[:1]}[{token[1:2]}][x]{token[2:]}\n\n[x]:\n  /url"
    apart = "\u200b".join(token)
    code = f"`{token[0]}`{token[1:]} ` {token[0]}`{token[1:]}\n\n```\n{token}\n```"
    for written in (token, escaped, coded, halved, linked, apart, code, f"\\{token}"):
        for seen in consumer_sees(markdown(f"# A {written} b\n\nText {written} text.\n", kind)):
            assert not any(known in seen for known in TOKENS), (written, seen)
            assert not holds_control(seen)


# Pieces that make trouble together: markup, encodings, halves of tokens.
PIECES = st.sampled_from(
    [b"---\n", b"title: x\n", b"{%", b"%}", b"{{", b"<!--", b"-->", b"<table>", b"<tr><td>a",
     b"</table>", b"```\n", b"`", b"# ", b"\n\n", b"- ", b"| a | b |\n|---|---|\n", b"[", b"](",
     b")", b"]: /u\n", b"&lt;", b"&amp;", b"&#60;", b"<|", b"|>", b"im_start", b"*", b"_", b"\\",
     b"<", b"[INST]", b"</s>", b"<b>", b"<?xml version='1.0'?>", b"\xff\xfe", b"\xef\xbb\xbf",
     b"\xe2\x80\x8b", b"\xef\xbc\x9c", b"=====\n", b"   ", b"<h1>", b"<p>", b"\x85", b"\r"]
)  # fmt: skip
BYTES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=40).map(b"".join),
)


@given(
    data=BYTES,
    kind=st.sampled_from(["md", "txt", "html", "csv", "json", "jsonl", "config", "code", "pdf"]),
)
@example(data=b"<`|im_start`|>", kind="md")
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_listed(data: bytes, kind: str) -> None:
    reading = read_document(data, kind, "a.py", Settings(1024, True, (), False))
    assert json.loads(json.dumps(reading)) == reading
    read = FileReading(FoundFile(Path(), Path("a.py"), "a.py", kind), "", reading)
    gathered = gather([read], CorpusConfig())
    assert gathered.documents[0]["status"] in ("read", "skipped", "failed")
    texts = [row.get("text", "") for row in gathered.documents]
    texts += [passage["text"] for passage in gathered.passages]
    texts += [heading for passage in gathered.passages for heading in passage["headings"]]
    texts += [row["title"] for row in gathered.documents]
    for text in texts:
        assert not any(holds_control(seen) for seen in consumer_sees(text))
        assert not set(text) & set("\x00\u200b\u202e\ufeff\r\ud800")


@pytest.mark.parametrize(
    "piece", ["{%", "<!--", "<table>", "[", "](", "`", "&amp;", "<a ", "``a", "# ", "[a](", "> "]
)
def test_long_odd_files_take_linear_time(piece: str) -> None:
    assert read_text((piece * 20_000).encode(), "md") is not None
