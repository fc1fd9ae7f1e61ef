"""What each stage calls: the only place where the build folder and a stage's code meet.

A stage's folder is imported inside its step, so that a command loads no more than it runs.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from localtune.build.hours import with_cuts
from localtune.build.job import Build
from localtune.build.template_check import check_template
from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import EvaluationError, UnsupportedError
from localtune.llama.level_names import wants_imatrix
from localtune.machine import ranks
from localtune.machine.cores import use_threads
from localtune.progress import Progress, Silent
from localtune.workspace import Workspace, read_jsonl, write_json


def in_threads(step: Callable[[Build, Progress], None], build: Build, progress: Progress) -> None:
    """Run a step with the thread count of `--threads`, if it was given."""
    with use_threads(build.config.train.threads):
        step(build, progress)


def corpus(build: Build, progress: Progress) -> None:
    from localtune.corpus import Artefacts, read_corpus

    at = build.at
    out = Artefacts(at.documents, at.passages, at.chats, at.removed, at.readings)
    read_corpus(build.docs, out, build.config.corpus, progress=progress)


def lessons(build: Build, progress: Progress) -> None:
    from localtune.lessons.rules.structure import write_lessons

    at, reading = build.at, build.config.corpus
    check_template(at, build.config)
    write_lessons(
        at.passages,
        at.exam,
        at.lessons,
        build.config.with_replay(),
        chats=at.chats,
        allow=None if reading.keep_private else reading.allow,
        progress=progress,
        system=build.config.chat.system,
        development=at.development,
    )


def base(build: Build, progress: Progress) -> None:
    from localtune.bases.sources import system_of
    from localtune.build.base import fetch

    fetch(build.config.base, build.at.base, progress)
    if build.config.export.adapter_only and (own := system_of(build.config.base)):
        whose = (
            "that of the base" if own == build.config.chat.system else "--system, not the base's"
        )
        progress.note(f"system prompt of lessons, exam and Modelfile: {whose} in Ollama")
    check_template(build.at, build.config)


def targets(build: Build, progress: Progress) -> None:
    from localtune.training.targets import write_targets

    at = build.at
    write_targets(
        at.base,
        at.lessons,
        at.passages,
        at.targets,
        at.target_parts,
        build.config.train,
        progress=progress,
        split=lesson_splitter(at, progress),
    )


def train(build: Build, progress: Progress) -> None:
    ranks.call("train")
    train_with_others(build, progress)


def train_with_others(build: Build, progress: Progress = Silent()) -> None:
    """Train together with the other processes of this build, if any."""
    from localtune.evaluation.recall import is_correct
    from localtune.training.development import Development
    from localtune.training.train import train

    at = build.at
    train(
        at.base,
        at.lessons,
        at.adapter,
        at.metrics,
        at.checkpoints,
        with_cuts(build.config.train, at),
        progress=progress,
        split=lesson_splitter(at, progress),
        targets=at.targets,
        development=Development(at.development, is_correct, build.config.chat.system),
        trained_upon=None if build.config.export.adapter_only else at.trained_upon,
    )


def merged_into(at: Workspace) -> Path:
    """Return what the adapter is merged into: the base, or what it came down to in 4 bits."""
    return at.trained_upon if at.trained_upon.exists() else at.base


def lesson_splitter(at: Workspace, progress: Progress) -> Callable[[str], list[int]] | None:
    """Return how the master's tokenizer will split text; None where only transformers can say."""
    from localtune.build.base import splitter
    from localtune.export.write.master import export_vocabulary
    from localtune.llama.llama import Splitter

    if own := splitter(at.base):
        return own
    folder = tempfile.TemporaryDirectory()
    gguf = Path(folder.name) / "vocabulary.gguf"
    try:
        export_vocabulary(at.base, gguf, PLAIN_TEMPLATE)
    except UnsupportedError:
        progress.note("lessons are split by transformers: another converter will be needed")
        return None
    vocabulary = Splitter(gguf)
    weakref.finalize(vocabulary, folder.cleanup)  # after a crash the file is loaded again
    return vocabulary.token_ids


def export(build: Build, progress: Progress) -> None:
    from localtune.export.convert import convert
    from localtune.ollama.modelfile import UNLIKE

    at = build.at
    convert(
        merged_into(at),
        at.master,
        adapter=at.adapter,
        name=at.name,
        comment=UNLIKE,
        offline=build.config.base.offline,
        progress=progress,
    )
    _note_size(at.master, progress)


def verify(build: Build, progress: Progress) -> None:
    from localtune.build.base import splitter
    from localtune.evaluation.faithful import check
    from localtune.llama.llama import Model

    at, grading = build.at, build.config.grade
    questions = [row["question"] for row in read_jsonl(at.exam)]
    model = Model(at.master, context=grading.context)
    try:
        found = check(merged_into(at), at.adapter, model, questions, progress, splitter(at.base))
    except EvaluationError as error:
        raise set_aside(at.master, error) from error
    write_json(at.faithful, found)
    if found["spaces"]:
        progress.note(
            "llama.cpp puts other spaces into prompts than transformers; the lessons were split "
            "as llama.cpp does"
        )
    progress.note(
        f"llama.cpp and PyTorch choose the same word {found['top1']:.1%} of the time "
        f"(KL {found['kl']:.0e} nats)"
    )


def set_aside(master: Path, error: EvaluationError) -> EvaluationError:
    """Keep a file that failed under another name, for a look at it; return what to say."""
    kept = master.with_name(f"{master.stem}.refused.gguf")
    master.replace(kept)
    return EvaluationError(error.message, f"{error.hint} The refused file is {kept}.")


def imatrix(build: Build, progress: Progress) -> None:
    from localtune.evaluation.faithful import load_merged
    from localtune.export.imatrix import write_imatrix

    at, tokens = build.at, build.config.quantize.imatrix_tokens
    tokenizer, model = load_merged(merged_into(at), at.adapter)
    passages = (row["text"] for row in read_jsonl(at.passages))
    found = write_imatrix(model, tokenizer, at.base, passages, at.imatrix, tokens, progress)
    if not found:
        progress.warn("no importance matrix for this architecture; its levels are made without one")


def imatrix_of(build: Build, level: str) -> Path | None:
    """Return the importance matrix a level is made with, if any: a person's own, or the build's."""
    chosen = build.config.quantize
    if chosen.imatrix:
        return Path(chosen.imatrix).expanduser().absolute()
    return build.at.imatrix if wants_imatrix(level) and chosen.imatrix_tokens else None


def quantize(level: str, build: Build, progress: Progress) -> None:
    make_level(build, level, build.at.level_gguf(level), progress)
    _note_size(build.at.level_gguf(level), progress)


def make_level(build: Build, level: str, out: Path, progress: Progress) -> None:
    """Write a level of a build's master to any file."""
    from localtune.export.levels import write_level
    from localtune.llama.quantize import Quantizer
    from localtune.llama.quantize_dry_run import LevelSettings

    recipe = LevelSettings(level, imatrix_of(build, level))
    with Quantizer() as quantizer:
        write_level(quantizer, build.at.master, out, recipe, progress)


def _note_size(file: Path, progress: Progress) -> None:
    from localtune.formatting import size

    progress.note(f"{file.name}, {size(file.stat().st_size)}")


def modelfile(build: Build, progress: Progress) -> None:
    from localtune.build.modelfiles import lesson_tokens, licence_of, made_from
    from localtune.ollama.modelfile import write_modelfile

    at, gguf = build.at, build.at.level_gguf(build.config.quantize.levels[0])
    said = (made_from(build), licence_of(at.base), build.config.chat.system)
    write_modelfile(gguf, at.modelfile, *said, lesson_tokens=lesson_tokens(build))
