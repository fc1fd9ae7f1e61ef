"""Files made to break a reader: each is listed with a true reason, and costs nothing but itself.

Every run is a process of its own, so that what all its processes hold in memory can be summed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile_files import BROKEN, FILES, SLOW, Files, zipped

from localtune.corpus.read.files import find_files
from localtune.errors import InputError

pytestmark = pytest.mark.slow

MOST_MB = 1500  # of all processes of a run together
SECRET = "Topsecretword"
GOOD = "# Good\n\nThe bell of the market rings twice on the first Monday of the month.\n"
Told = dict[str, dict[str, Any]]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one good file; beside it lies one that nobody may read."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text(GOOD)
    (tmp_path / "outside.txt").write_text(f"{SECRET} lies outside of the folder.")
    os.utime(tmp_path / "outside.txt", (0, time.time()))
    return folder


def run(docs: Path, file_seconds: int = 60) -> tuple[Told, float]:
    """Read a folder; return what is told of each file, and the megabytes of all processes."""
    out, peak = docs.parent / "out", 0.0
    code = [sys.executable, "-m", "localtune", "corpus", str(docs), "--json", "--out", str(out)]
    config = docs.parent / "localtune.toml"
    config.write_text(f"[corpus]\nfile_seconds = {file_seconds}\n")
    with (docs.parent / "told.json").open("w+") as told:
        process = psutil.Popen([*code, "--config", config], stdout=told, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, megabytes(process))
            time.sleep(0.05)
        told.seek(0)
        rows = {row["path"]: row for row in json.load(told)}
    assert process.returncode == 0
    assert rows["good.md"]["status"] == "read"
    assert {path.name for path in docs.parent.iterdir()} <= {
        "docs", "localtune.toml", "out", "outside.txt", "told.json",
    }  # fmt: skip
    assert all(SECRET not in file.read_text("utf-8") for file in out.iterdir())
    outside = docs.parent / "outside.txt"
    assert not outside.exists() or outside.stat().st_atime == 0
    return rows, peak


def megabytes(process: psutil.Process) -> float:
    """Sum what a process and its children hold; some may end meanwhile."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.Error:
        pass
    return total / 1_000_000


@pytest.mark.parametrize(
    ("files", "seconds"), [(FILES, 15), pytest.param(SLOW, 20, marks=pytest.mark.slow)]
)
def test_hostile_files_are_listed_each_with_a_true_reason(
    docs: Path, files: Files, seconds: int
) -> None:
    for name, (content, _) in files.items():
        made = content(docs)
        (docs / name).write_bytes(made if isinstance(made, bytes) else made.encode())
    told, peak = run(docs, file_seconds=seconds)
    said = {name: f"{row['status']}: {row['reason']}" for name, row in told.items()}
    wrong = {n: said[n] for n, (_, want) in files.items() if not re.match(want, said[n])}
    assert not wrong
    assert peak < MOST_MB


IN_ARCHIVES = {
    "up.zip/outside.txt": "read: $",
    "up.zip/etc/evil.md": "read: $",
    "up.zip/back.md": "read: $",
    "up.zip/link.txt": "read: $|skipped: ",  # what it holds is the name it would lead to
    "deep.zip/0.zip/0.zip/0.zip/0.zip": "failed: lies in more than 3 archives",
    "locked.zip/a.md": "failed: encrypted",
    "method.zip/a.md": "failed: packed in a way",
    "places.zip/a.md": BROKEN,
    "liar.zip/a.txt": BROKEN,
    "same.zip/a.md": "read: $",
}


def test_what_lies_in_archives_leads_nowhere(docs: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    up = [
        ("../../outside.txt", "Up the hill."),
        ("/etc/evil.md", "Down."),
        ("..\\back.md", "Back."),
    ]
    (docs / "up.zip").write_bytes(zipped(*up, (link, f"{docs.parent}/outside.txt")))
    (docs / "same.zip").write_bytes(zipped(("a.md", "First of two."), ("b.md", "The second one.")))
    same = (docs / "same.zip").read_bytes().replace(b"b.md", b"a.md")
    (docs / "same.zip").write_bytes(same)
    for name in ("deep", "locked", "method", "places", "liar"):
        (docs / f"{name}.zip").write_bytes(bytes(FILES[f"{name}.zip"][0](docs)))  # type: ignore
    told, _ = run(docs)
    said = {name: f"{row['status']}: {row['reason']}" for name, row in told.items()}
    assert not {n: said.get(n) for n, w in IN_ARCHIVES.items() if not re.match(w, said.get(n, ""))}
    assert not any(".." in name or name.startswith("/") for name in told)


def test_what_is_no_file_is_not_opened(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(docs)  # the name of a socket may have 100 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.md")
    os.mkfifo("pipe.md")
    links = {
        "zero.md": "/dev/zero", "memory.txt": "/proc/self/mem", "out.txt": "../outside.txt",
        "round": ".", "up": "..", "loop.md": "loop.md", "gone.md": "nowhere.md",
    }  # fmt: skip
    for name, target in links.items():
        Path(name).symlink_to(target)
    with Path("sparse.txt").open("wb") as sparse:
        sparse.truncate(5_000_000_000)
    with Path("zeros.txt").open("wb") as sparse:
        sparse.truncate(40_000_000)
    Path("sub").mkdir()
    os.mkfifo("sub/.localtuneignore")
    Path("sub/a.md").write_text("The ignore file beside it is a pipe.")
    told, peak = run(docs)
    assert told.pop("sub/a.md")["status"] == "read"
    assert told.pop("zeros.txt")["reason"] == "binary, not text"
    del told["good.md"]
    assert {row["status"] for row in told.values()} == {"skipped", "failed"}
    assert {*links, "socket.md", "pipe.md", "sparse.txt"} <= {*told}
    assert peak < MOST_MB


def test_any_name_is_listed_once_on_one_line(docs: Path) -> None:
    names = [
        b"new\nline.md", b"\x1b[31mred\x07.md", b"\xff.md", b"\xfe.md", b"x" * 252 + b".md",
        b"-rf.md", b"--help.md", b"$(touch x).md", b"[red]a|b`c`.md", b" .md", b"a\\b.md",
        *(name.encode() for name in ("\u202egpj.md", "\U0001f600.md", "\u00e9.md", "e\u0301.md")),
    ]  # fmt: skip
    for number, name in enumerate(names):
        path = Path(os.fsdecode(os.fsencode(docs) + b"/" + name))
        path.write_text(f"Here {'abcdefghijklmno'[number]} is told, and of {number}.")
    told, _ = run(docs)
    assert len(told) == len(names) + 1
    assert all(name.isprintable() for name in told)


@pytest.mark.slow
def test_folders_may_lie_deep(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, depth in (("d", 1000), ("n" * 100, 60)):
        monkeypatch.chdir(docs)
        for _ in range(depth):
            Path(name).mkdir()
            os.chdir(name)
        Path("deep.md").write_text(f"Down here it is dark, and {depth} doors lie above.")
    monkeypatch.chdir(docs.parent)
    told, _ = run(docs)
    subprocess.run(["rm", "-rf", docs], check=True)  # deeper than shutil goes
    assert told[f"{'d/' * 1000}deep.md"]["status"] == "read"
    assert [row["reason"] for row in told.values() if "n" * 100 in row["path"]] == [
        "File name too long"
    ]


@pytest.mark.slow
def test_thousands_of_files(docs: Path) -> None:
    for number in range(5000):
        (docs / f"{number}.txt").write_text(f"Door {number} is painted in colour {number * 7919}.")
    mails = (f"From x\nSubject: Mail {n}\n\nGate {n} opens at {n * 31}.\n\n" for n in range(5000))
    (docs / "mails.mbox").write_text("".join(mails))
    told, peak = run(docs)
    assert len(told) == 5002
    assert told["mails.mbox"]["status"] == "read"
    assert peak < MOST_MB


@pytest.mark.slow
def test_a_reader_that_hangs_is_ended(docs: Path) -> None:
    (docs / "stairs.md").write_text("\n".join(f"{' ' * i}- a" for i in range(6000)))
    (docs / "after.md").write_text("After the stairs comes the landing.")
    began = time.monotonic()
    told, _ = run(docs, file_seconds=2)
    assert told["stairs.md"]["reason"] == "takes longer than corpus.file_seconds (2)"
    assert told["after.md"]["status"] == "read"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("line", ["!", "[z-a]", "[a", "a//b", "[[:all:]]", "\\", "a" * 1001])
def test_a_pattern_that_cannot_be_used_is_told(docs: Path, line: str) -> None:
    (docs / ".localtuneignore").write_text(f"fine.md\n{line}\n")
    with pytest.raises(InputError, match="localtuneignore, line 2: "):
        list(find_files(docs, 1000))
