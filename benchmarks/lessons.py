"""Measure what a teacher writes about a folder: pairs a minute, share kept, facts asked about.

    python benchmarks/lessons.py DOCS TEACHER.gguf [--effort normal] [--sections N] [--out FOLDER]

Runs the exam and the lessons of a build with a GGUF teacher, without a base, and prints figures.
`--out` keeps the ledgers, so that a stopped run goes on, and gets three files to be judged by hand:
pairs.tsv (100 kept pairs with their section), near-misses.tsv (50) and exam.tsv (100 questions),
each drawn at random.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from localtune.cli.terminal import PlainProgress
from localtune.config.stages import CorpusConfig, ExamConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.lessons.ledger import Ledger
from localtune.lessons.rules.exam import by_rule
from localtune.lessons.teacher.checks import Checks
from localtune.lessons.teacher.collection import PairCollection
from localtune.lessons.teacher.exam import ExamFiles, write_exam_with
from localtune.lessons.teacher.facts import facts_in
from localtune.lessons.teacher.lessons import NEAR_MISS_SHARE
from localtune.lessons.teacher.near_misses import NearMisses
from localtune.lessons.teacher.pairs import PAIRS_PER_FACT, PairWriter
from localtune.lessons.teacher.requests import Asker
from localtune.lessons.teacher.sections import Section, sections_of
from localtune.llama.bf16_copy import fastest_to_write
from localtune.llama.writer import LocalWriter
from localtune.llama.writing import Writer
from localtune.progress import Progress
from localtune.workspace import read_jsonl

SEED = 7


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as exit_stack:
        out = options.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        passages = _passages(options.docs, out)
        progress = PlainProgress(30)
        began = time.perf_counter()
        copy = exit_stack.enter_context(fastest_to_write(options.teacher, out, progress))
        writer = LocalWriter(copy, options.teacher.name)
        _say(f"teacher loaded in {time.perf_counter() - began:.0f} s")
        sections = sections_of(read_jsonl(passages))[: options.sections]
        _say(f"{len(sections)} sections, {sum(len(s.text) for s in sections):,} characters")
        if options.exam:
            _exam(writer, passages, out, progress)
        asker = Asker(writer, Ledger(out / "lessons-ledger.jsonl"), progress)
        facts = facts_in(sections)
        written = PairCollection({s.id: s for s in sections}, facts, Checks(sections))
        pair_writer = PairWriter(asker, written)
        _pairs(pair_writer, written, options.effort, out)
        _near_misses(asker, sections, written, out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("docs", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--sections", type=int, default=10_000)
    parser.add_argument("--exam", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _passages(docs: Path, out: Path) -> Path:
    names = ("documents", "passages", "chats", "removed", "readings")
    files = Artefacts(*(out / f"{name}.jsonl" for name in names))
    read_corpus(docs, files, CorpusConfig())
    return files.passages


def _exam(writer: Writer, passages: Path, out: Path, progress: Progress) -> None:
    began = time.perf_counter()
    files = ExamFiles(passages, out / "exam.jsonl", out / "known.jsonl", out / "exam-ledger.jsonl")

    def fill(number: int) -> list[dict[str, Any]]:
        return by_rule(passages, SEED, number)

    number = write_exam_with(
        writer, lambda rows, progress: set(), fill, files, ExamConfig(), progress
    )
    rows = list(read_jsonl(files.exam))
    _say(f"exam: {number} questions, {time.perf_counter() - began:.0f} s")
    drawn = Random(SEED).sample(rows, min(100, len(rows)))
    lines = (
        f"{row['kind']}\t{row['document']}\t{row['question']}\t{row['answers'][0]}" for row in drawn
    )
    (out / "exam.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def _pairs(pair_writer: PairWriter, written: PairCollection, effort: str, out: Path) -> None:
    began = time.perf_counter()
    pair_writer.write(effort)
    seconds, total = time.perf_counter() - began, max(1, len(written.all_facts()))
    made = len(written.kept) + len(written.dropped)
    _say(
        f"lessons: {len(written.kept)} of {made} pairs kept in {seconds:.0f} s, "
        f"{60 * len(written.kept) / seconds:.0f} a minute; {total} facts, "
        f"{written.covered(1) / total:.1%} asked about, "
        f"{written.covered(PAIRS_PER_FACT) / total:.1%} by {PAIRS_PER_FACT} pairs"
    )
    for reason, number in written.reasons().most_common():
        _say(f"  dropped: {number} {reason}")
    drawn = Random(SEED).sample(written.kept, min(100, len(written.kept)))
    lines = (
        f"{pair.style}\t{pair.question}\t{pair.answer}\t{written.sections[pair.section].whole!r}"
        for pair in drawn
    )
    (out / "pairs.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    dropped = (f"{reason}\t{pair.question}\t{pair.answer}" for pair, reason in written.dropped)
    (out / "dropped.tsv").write_text("\n".join(dropped) + "\n", "utf-8")
    missed = (
        f"{f.kind}\t{f.value}\t{f.statement}" for f in written.all_facts() if not written.about(f)
    )
    (out / "missed.tsv").write_text("\n".join(missed) + "\n", "utf-8")


def _near_misses(asker: Asker, sections: list[Section], written: PairCollection, out: Path) -> None:
    began = time.perf_counter()
    wanted = round(len(written.kept) * NEAR_MISS_SHARE / (1 - NEAR_MISS_SHARE))
    crossing = NearMisses(sections, written.facts, SEED)
    found = crossing.write(asker, written.kept, wanted)
    _say(f"near-misses: {len(found)} of {wanted} wanted, {time.perf_counter() - began:.0f} s")
    drawn = Random(SEED).sample(found, min(50, len(found)))
    lines = (f"{document}\t{question}" for question, document in drawn)
    (out / "near-misses.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
