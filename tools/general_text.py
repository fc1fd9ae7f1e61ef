"""General English for replay and for measuring forgetting, out of public-domain collections.

python tools/general_text.py --texts TEXTS.jsonl.gz --handbook 18F-HANDBOOK/pages

TEXTS holds {"source", "path", "text"} a line: guides and articles of United States government sites
(public domain or CC0 1.0). Writes localtune/lessons/general.jsonl.gz (replay) and
localtune/evaluation/held_out.txt. No document is in both, and none of the second's from the
18F handbook (CC0 1.0) is among those that the built-in base was trained on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

PACKAGE = Path(__file__).parents[1] / "localtune"
REPLAY, HELD_OUT = 355_000, 28_000  # characters
PIECE = (300, 900)  # characters of consecutive paragraphs
MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|<[^>]+>|\{[{%].*?[%}]\}|https?://\S+|[*_`]+", re.DOTALL)
ABOUT = (
    "Excerpts of guides and articles of United States government sites (18F/guides, "
    "GSA/digitalgov.gov, GSA/plainlanguage.gov, cloud-gov/cg-site, uswds/uswds-site), "
    "which are in the public domain or under CC0 1.0. Markup and links are left away."
)
HEAD = """\
# General English that no lesson holds: how much the loss on it rises says what a model forgot.
# Excerpts from United States government sites (18F/guides, GSA/digitalgov.gov,
# GSA/plainlanguage.gov, cloud-gov/cg-site, uswds/uswds-site) and, from the line "# handbook" on,
# from 18F/handbook, all in the public domain or under CC0 1.0. Markup is left away. A piece a line.
"""


def pieces(text: str) -> Iterator[str]:
    """Yield runs of whole paragraphs of plain sentences."""
    held = ""
    for block in re.split(r"\n\s*\n", text):
        plain = " ".join(MARKS.sub(lambda found: found[1] or "", block).split())
        prose = re.match(r"[A-Z][^|#{}<>=@]*[.!?:]$", plain) and len(plain.split()) >= 12
        if not prose or len(plain) > PIECE[1]:
            if len(held) >= PIECE[0]:
                yield held
            held = ""
            continue
        if len(held) + len(plain) >= PIECE[1]:
            yield held
            held = ""
        held = f"{held} {plain}".strip()
    if len(held) >= PIECE[0]:
        yield held


def kept_back(name: str) -> bool:
    """Whether a document is one of the tenth that only measures."""
    return hashlib.sha256(name.encode()).digest()[0] < 26


def drawn(documents: list[tuple[str, str]], characters: int, each: int) -> list[tuple[str, str]]:
    """Draw (document, piece) from shuffled documents, at most `each` of one, none twice."""
    taken: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, text in Random(7).sample(documents, len(documents)):
        for piece in [p for p in pieces(text) if p[:80] not in seen][:each]:
            seen.add(piece[:80])
            taken.append((name, piece))
            characters -= len(piece)
            if characters <= 0:
                return taken
    return taken


def main() -> None:
    """Write both files and say how large they are."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--texts", type=Path, required=True)
    ask.add_argument("--handbook", type=Path, required=True)
    a = ask.parse_args()
    with gzip.open(a.texts, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    texts = [(f"{row['source']}/{row['path']}", row["text"]) for row in rows]
    replay = drawn([pair for pair in texts if not kept_back(pair[0])], REPLAY, 2)
    known = {piece[:80] for _, piece in replay}
    others = [pair for pair in texts if kept_back(pair[0])]
    front = r"\A---\n.*?\n---\n"
    pages = [
        (str(page), re.sub(front, "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
        for page in sorted(a.handbook.rglob("*.md"))
    ]
    held = [p for _, p in drawn(others, HELD_OUT // 2, 1) if p[:80] not in known]
    unseen = [p for _, p in drawn(pages, HELD_OUT // 2, 1) if p[:80] not in known]
    made = "".join(
        json.dumps(row, ensure_ascii=False) + "\n"
        for row in [{"about": ABOUT}, *({"from": n, "text": p} for n, p in replay)]
    )
    packed = gzip.compress(made.encode(), 9, mtime=0)
    (PACKAGE / "lessons" / "general.jsonl.gz").write_bytes(packed)
    text = HEAD + "\n".join([*held, "# handbook", *unseen]) + "\n"
    (PACKAGE / "evaluation" / "held_out.txt").write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(replay)} pieces, {len(packed)} bytes; {len(held)} + {len(unseen)} held out")


if __name__ == "__main__":
    main()
