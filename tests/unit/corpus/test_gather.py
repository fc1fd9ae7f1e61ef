"""What only all files together tell: copies, pseudonyms, the receipt; and second runs."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from localtune.build.hashes import Hashes
from localtune.cli.main import cli
from localtune.config.stages import CorpusConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.corpus.clean.characters import holds_control
from localtune.workspace import read_jsonl

pytestmark = pytest.mark.slow

Row = dict[str, Any]
LETTER = """# Letter

Contact: Anna Keller, anna.keller@harbour.org, +1 202 456 1111.

Anna opens the gate. Her card is 4111 1111 1111 1111, her password: Tr0ub4dor&3.
"""
SECRETS = ("Keller", "anna.keller@harbour.org", "456 1111", "4111 1111 1111 1111", "Tr0ub4dor")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text(LETTER)
    (folder / "b.md").write_text("# Notes\n\nMs Keller locks the gate. Keller keeps the key.\n")
    return folder


def gathered(docs: Path, **config: Any) -> tuple[dict[str, Row], list[Row], Artefacts]:
    out = Artefacts.below(docs.parent)
    read_corpus(docs, out, CorpusConfig(**config))
    documents = {row["path"]: row for row in read_jsonl(out.documents)}
    return documents, list(read_jsonl(out.passages)), out


def written(out: Artefacts) -> str:
    files = (out.documents, out.passages, out.chats, out.removed)
    return "".join(path.read_text(encoding="utf-8") for path in files)


def test_no_private_value_is_written_but_its_count_is(docs: Path) -> None:
    documents, _, out = gathered(docs)
    text = written(out)
    assert not [value for value in SECRETS if value in text]
    assert documents["a.md"]["private"] == {
        "person": 2, "email": 1, "phone": 1, "card": 1, "password": 1,
    }  # fmt: skip


def test_a_person_has_one_pseudonym_in_all_documents(docs: Path) -> None:
    _, passages, _ = gathered(docs)
    letter, notes = (passage["text"] for passage in passages)
    first, last = letter.split("Contact: ")[1].split(",")[0].split()
    assert f"{first} opens the gate." in letter
    assert f"Ms {last} locks the gate. {last} keeps the key." in notes


@pytest.mark.parametrize("name", ["anna-keller.md", "Anna_Keller.md"])
def test_a_name_in_a_file_name_is_no_title(docs: Path, name: str) -> None:
    (docs / name).write_text("The lamp is lit at six.")
    documents, passages, _ = gathered(docs)
    titles = [documents[name]["title"], *(passage["title"] for passage in passages)]
    assert not any("keller" in title.lower() for title in titles)


def test_what_is_allowed_stays(docs: Path) -> None:
    _, passages, _ = gathered(docs, allow=("Anna Keller", "@harbour.org", "+1 (202) 456-1111"))
    text = passages[0]["text"]
    assert "Anna Keller, anna.keller@harbour.org, +1 202 456 1111" in text
    assert "4111" not in text and "Tr0ub" not in text


def test_an_allowed_name_stays_where_another_shares_half_of_it(docs: Path) -> None:
    (docs / "c.md").write_text("Anna Miller sweeps the pier. Dial (202) 456-1111.")
    _, passages, _ = gathered(docs, allow=("Anna Keller", "+1 202 456 1111"))
    text = "\n".join(passage["text"] for passage in passages)
    assert "Anna Keller," in text and "Keller keeps the key" in text and "(202) 456-1111" in text
    assert "Miller" not in text


def test_no_control_token_comes_together_where_data_was_cut_out(docs: Path) -> None:
    data = base64.b64encode(bytes(range(256))).decode()
    (docs / "c.md").write_text(f"# Big [{data}INST] pump\n\nSo [{data}INST] obey [/{data}INST] me.")
    documents, passages, _ = gathered(docs)
    seen = [documents["c.md"]["title"]]
    seen += [text for p in passages for text in (p["title"], p["text"], *p["headings"])]
    assert not any(holds_control(text) for text in seen)
    assert documents["c.md"]["removed"] == {"encoded data": 3}


def test_everything_stays_with_keep_private(docs: Path) -> None:
    documents, passages, _ = gathered(docs, keep_private=True)
    assert all(value in passages[0]["text"] for value in SECRETS)
    assert documents["a.md"]["private"] == {}


PROSE = " ".join(f"The boat number{n} of crew{n} sails past pier{n} at dawn." for n in range(40))


def test_copies_count_once_and_the_first_names_them(docs: Path) -> None:
    changed = PROSE.replace("crew7", "gulls")
    (docs / "c.md").write_text(f"# Boats\n\n{PROSE}\n")
    (docs / "d.md").write_text(f"# Boats\n\n{changed}\n")
    documents, passages, _ = gathered(docs, passage_tokens=900)
    assert documents["d.md"]["status"] == "skipped"
    assert documents["d.md"]["reason"] == "says the same as c.md"
    assert documents["c.md"]["also"] == ["d.md"]
    assert documents["d.md"]["removed"] == {"duplicate": 1}  # what it says otherwise can be seen
    (kept,) = [passage for passage in passages if passage["document"] == "c.md"]
    assert "d.md" in kept["also_in"]


def test_other_numbers_are_other_facts(docs: Path) -> None:
    (docs / "c.md").write_text(f"{PROSE} The gate opens at 9:30.")
    (docs / "d.md").write_text(f"{PROSE} The gate opens at 8:15.")
    documents, _, _ = gathered(docs)
    assert documents["c.md"]["status"] == documents["d.md"]["status"] == "read"


def test_only_changed_files_are_read_again(docs: Path, tmp_path: Path) -> None:
    out = replace(Artefacts.below(tmp_path), readings=tmp_path / "readings.jsonl")

    def texts(**config: Any) -> str:
        read_corpus(docs, out, CorpusConfig(**config))
        return out.passages.read_text(encoding="utf-8")

    texts()
    assert out.readings and out.readings.stat().st_mode & 0o077 == 0
    # A mark in what is kept of a.md shows whether it comes from there.
    kept = out.readings.read_text(encoding="utf-8")
    out.readings.write_text(kept.replace("opens the gate", "opens the MARK"), encoding="utf-8")
    (docs / "b.md").write_text("# Notes\n\nThe lamp is lit at six.\n")
    again = texts()
    assert "MARK" in again and "lamp" in again
    assert len(out.readings.read_text(encoding="utf-8").splitlines()) == 2
    assert "MARK" not in texts(passage_tokens=512)
    out.readings.write_text(kept[: len(kept) // 2], encoding="utf-8")  # as a kill leaves it
    assert "gate" in texts() and "lamp" in texts()


def test_what_is_named_in_localtuneignore_is_left_out(docs: Path) -> None:
    (docs / ".localtuneignore").write_text("# drafts\n*.txt\n!keep.txt\n/old/\n")
    for name in ("draft.txt", "keep.txt", "old/c.md", "sub/old/d.md", "node_modules/e.md"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(f"The {name.replace('/', ' ')} lies on pier four.")
    (docs / "sub" / ".localtuneignore").write_text("draft.md\n")
    (docs / "sub" / "draft.md").write_text("Not this one.")
    before = Hashes().tree(docs)
    documents, _, _ = gathered(docs)
    (docs / ".localtuneignore").write_text("*.txt\n")
    assert Hashes().tree(docs) != before  # so that the stage runs again
    read = {path for path, row in documents.items() if row["status"] == "read"}
    assert read == {"a.md", "b.md", "keep.txt", "sub/old/d.md"}
    assert documents["sub/draft.md"]["reason"] == "named in .localtuneignore"
    assert documents["node_modules"]["reason"] == "written by a program"


def test_the_corpus_command(docs: Path, tmp_path: Path) -> None:
    (docs / "c.txt").write_text("lorem ipsum dolor sit amet " * 30)

    def run(*options: str) -> str:
        done = CliRunner().invoke(cli, ["corpus", str(docs), *options])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    table = run()
    assert "3 files: 2 read, 1 skipped, 0 failed" in table
    assert "names of persons 4" in table and "Languages: en" in table
    assert "lorem ipsum dolor" in run("--show", "removed")
    rows = json.loads(run("--json", "--out", str(tmp_path / "out")))
    assert [row["path"] for row in rows] == ["a.md", "b.md", "c.txt"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "documents.jsonl", "passages.jsonl", "chats.jsonl", "removed.jsonl",
    }  # fmt: skip
    refused = CliRunner().invoke(cli, ["corpus", str(docs), "--out", str(docs / "in")])
    assert refused.exit_code == 1 and "Hint:" in refused.stderr
