"""Reading, cleaning and scrubbing: localtune's speed, beside markitdown's on the same files.

Run `python benchmarks/corpus.py [FOLDER] [--peer PYTHON]`. Without a folder the files are made from
examples/handbook: its sentences in a seeded order as Markdown and text, and as PDF. `--peer` is a
Python that has markitdown (`pip install "localtune[bench]"`); without one its column stays empty.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from localtune.config.stages import CorpusConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.corpus.clean.boilerplate import without_boilerplate
from localtune.corpus.read.formats import read_text
from localtune.privacy import find_private

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
from made_files import Placed, pdf  # noqa: E402

MEGABYTES, PAGES = 8, 200
PEER = """
import json, sys, time
from markitdown import MarkItDown
reader = MarkItDown()
began = time.monotonic()
texts = [reader.convert(path).text_content for path in sys.argv[1:]]
print(json.dumps([time.monotonic() - began, texts]))
"""


def prose(r: random.Random) -> Iterator[str]:
    """Yield sections of the example handbook's sentences in an endless seeded order."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "examples/handbook").glob("*.md")]
    told = [s for text in texts for s in re.findall(r"[A-Z][^.#|\n]{30,200}\.", text)]
    while True:
        yield f"## Section {r.randrange(10**6)}\n\n" + "\n\n".join(
            " ".join(r.sample(told, 4)) for _ in range(4)
        )


def make_texts(folder: Path, ending: str) -> None:
    """Write MEGABYTES of documents of some 6 kB."""
    folder.mkdir()
    sections, size, n = prose(random.Random(7)), 0, 0
    while size < MEGABYTES * 1_000_000:
        text = "# Handbook\n\n" + "\n\n".join(next(sections) for _ in range(2))
        (folder / f"{n:05}{ending}").write_text(text, encoding="utf-8")
        size, n = size + len(text.encode()), n + 1


def make_pdf(folder: Path) -> str:
    """Write a PDF of PAGES pages and return the text on them."""
    folder.mkdir()
    sections, pages, said = prose(random.Random(8)), list[list[Placed]](), list[str]()
    for n in range(PAGES):
        heading, *paragraphs = next(sections).split("\n\n")
        page: list[Placed] = [(60, 740, 16, heading.strip("# "))]
        lines = [line for text in paragraphs for line in re.findall(r".{1,90}(?:\s|$)", text)]
        page += [(60, 710 - 14 * i, 11, line.strip()) for i, line in enumerate(lines[:45])]
        page += [
            (60, 690 - 14 * len(lines[:45]), 11, "Gate"),
            (260, 690 - 14 * len(lines[:45]), 11, f"{n}"),
        ]
        pages.append(page)
        said += [text for *_, text in page]
    (folder / "book.pdf").write_bytes(pdf(pages))
    return "\n".join(said)


def f1(found: str, wanted: str) -> float:
    """Compare two texts as bags of words."""
    a, b = (Counter(re.findall(r"\w+", text.lower())) for text in (found, wanted))
    return 2 * (a & b).total() / (a.total() + b.total())


def ours(folder: Path, out: Path, **config: bool) -> tuple[float, str]:
    """Read a folder with localtune; return the seconds and what it read."""
    out.mkdir(exist_ok=True)
    artefacts = Artefacts.below(out)
    began = time.monotonic()
    read_corpus(folder, artefacts, CorpusConfig(**config))
    seconds = time.monotonic() - began
    rows = map(json.loads, artefacts.documents.read_text(encoding="utf-8").splitlines())
    return seconds, "\n".join(row.get("text", "") for row in rows)


def theirs(peer: str, folder: Path) -> tuple[float, str] | None:
    """Read the same files with markitdown in one process, as its users do."""
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    said = subprocess.run([peer, "-c", PEER, *files], capture_output=True, text=True)
    if said.returncode:
        return None
    seconds, texts = json.loads(said.stdout.splitlines()[-1])
    return seconds, "\n".join(texts)


def size_of(folder: Path) -> float:
    """Return megabytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def line(what: str, amount: float, unit: str, own: float, peer: float | None) -> None:
    """Print one row of the result."""
    beside = f"{amount / peer:10.2f}{peer / own:9.1f} x" if peer else f"{'not measured':>21}"
    sys.stdout.write(f"{what:<34}{amount / own:10.2f}{beside}  {unit}\n")


def again(folder: Path, out: Path) -> tuple[float, float]:
    """Read twice, one file changed in between; return both times in seconds."""
    out.mkdir()
    usual = Artefacts.below(out)
    kept = Artefacts(
        usual.documents, usual.passages, usual.chats, usual.removed, out / "kept.jsonl"
    )
    times = []
    for _ in range(2):
        began = time.monotonic()
        read_corpus(folder, kept, CorpusConfig())
        times.append(time.monotonic() - began)
        first = next(folder.iterdir())
        first.write_text(first.read_text(encoding="utf-8") + "\nOne more line.\n", encoding="utf-8")
    return times[0], times[1]


def on_one_core(folder: Path) -> None:
    """Measure the two steps that a worker spends its time on, without starting one."""
    files = [(path.read_bytes(), path.suffix[1:]) for path in folder.rglob("*.[mt][dx]*")]
    size, texts = sum(len(data) for data, _ in files) / 1e6, list[str]()
    began = time.process_time()
    for data, kind in files:
        texts.append(without_boilerplate(read_text(data, kind).markdown)[0])
    cleaned = time.process_time() - began
    began = time.process_time()
    for text in texts:
        find_private(text)
    scrubbed = time.process_time() - began
    sys.stdout.write(
        f"{folder.name}: on one core read and cleaned {size / cleaned:.2f} MB/s, "
        f"looked through for private data {size / scrubbed:.2f} MB/s\n"
    )


def main() -> None:
    """Print a table: what, localtune, markitdown, ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--peer", default=sys.executable)
    given = parser.parse_args()
    sys.stdout.write(f"{'':<34}{'localtune':>10}{'markitdown':>10}{'ratio':>9}\n")
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        if given.folder:
            folders = [(given.folder, "")]
        else:
            make_texts(at / "markdown", ".md")
            make_texts(at / "text", ".txt")
            folders = [(at / "markdown", ""), (at / "text", ""), (at / "pdf", make_pdf(at / "pdf"))]
        for folder, wanted in folders:
            compare(folder, wanted, at, given.peer)
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    sys.stdout.write(f"largest process: {peak // 1024} MB\n")


def compare(folder: Path, wanted: str, at: Path, peer: str) -> None:
    """Measure one folder with both."""
    what, size = folder.name, size_of(folder)
    plain, text = ours(folder, at / "out", keep_private=True)
    scrubbed, _ = ours(folder, at / "out")
    other = theirs(peer, folder)
    amount, unit = (PAGES, "pages/s") if wanted else (size, "MB/s")
    line(f"{what}: read, cleaned, cut", amount, unit, plain, other[0] if other else None)
    line(f"{what}: the same, and scrubbed", amount, unit, scrubbed, None)
    if not wanted:
        on_one_core(folder)
    if wanted:
        beside = f", markitdown {f1(other[1], wanted):.3f}" if other else ""
        sys.stdout.write(f"{what}: word F1 {f1(text, wanted):.3f}{beside}\n")
    elif what == "markdown":
        first, second = again(folder, at / "again")
        sys.stdout.write(
            f"{what}: read again, one file changed: {second:.1f} s, not {first:.1f} s\n"
        )


if __name__ == "__main__":
    main()
