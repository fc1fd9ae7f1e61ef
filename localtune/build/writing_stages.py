"""Which model writes lessons and exam, where it comes from, and the stages that it works in.

Mode `self`: the base as Q8_0 in llama.cpp. Mode `teacher`: a GGUF file in llama.cpp, or a server.
`auto` takes the best model of an Ollama on this machine, otherwise the base if it can follow
instructions, otherwise rules (`structure`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune.bases.fetch import parameters
from localtune.build import exams, models, steps
from localtune.build.hashes import Hashes
from localtune.build.hours import hours_setting, writing_clock
from localtune.build.job import Build
from localtune.build.stage import Stage
from localtune.build.template_check import check_template
from localtune.config.fields import locked_values
from localtune.config.stages import OLLAMA
from localtune.control_tokens import control_tokens_of
from localtune.export.tokenizer.vocabulary import chat_template
from localtune.lessons.teacher.guarded_writer import GuardedWriter
from localtune.lessons.teacher.selection import (
    choose_in_ollama,
    connected,
    find_model,
    teacher_file,
    warn_if_remote,
)
from localtune.progress import Progress
from localtune.workspace import read_json, read_jsonl, temporary_path, write_json, write_jsonl

if TYPE_CHECKING:
    from localtune.llama.writer import LocalWriter
    from localtune.llama.writing import Writer

SMALL = 100_000_000  # parameters; no smaller model is known to write questions
LIBRARIES = ("gguf", "llama-cpp-python")  # whose version can change what writes
CONTEXT = 4096  # tokens of a passage, what is asked about it, and the answer


def stages(build: Build, stage: Callable[..., Stage], shared: dict[str, Any]) -> list[Stage]:
    """Return the stages from passages to lessons: by rule, or by a model that is chosen first."""
    at, config = build.at, build.config
    how, asked = {**locked_values(config.with_replay()), **shared}, locked_values(config.exam)
    read, made = [at.passages, at.exam, at.chats], [at.lessons, at.development]
    counted = [*made, at.lesson_counts, at.dropped]
    # fmt: off
    if config.lessons.chosen == "structure":
        return [
            stage("exam", asked, [at.passages, at.chats], [at.exam], (),
                  partial(exams.exam, exams.by_rule), version=3),
            stage("lessons", how, read, counted, (), lessons_by_rule, version=5),
        ]
    who = {name: how[name] for name in ("mode", "teacher", "teacher_model")}
    known = {"system": config.chat.system, "max_answer_tokens": config.grade.max_answer_tokens}
    # The ledgers in which a model's work lies are no scratch: they know themselves what is current.
    return [
        stage("writer", who, [at.base], [at.writer, at.writer_gguf], LIBRARIES, choose,
              version=2),
        stage("exam", {**asked, **known}, [at.passages, at.chats, at.writer],
              [at.exam, at.exam_known], (), partial(exams.exam, exam), version=5),
        stage("lessons", {**how, **hours_setting(config.train)}, [*read, at.writer], counted, (),
              lessons, version=10),
    ]
    # fmt: on


def choose(build: Build, progress: Progress) -> None:
    """Decide what writes lessons and exam, and keep it in writer.json.

    {"mode", "identity", "teacher", "model"} of what writes and {"named"}, whether the user named
    it; of the base, where one is asked, {"base"}, a name of its bytes, and {"answers"}, whether it
    answers general prompts: it has a chat template. Raises ServerError for a teacher that does not
    answer.
    """
    at, config = build.at, build.config.lessons
    mode, found = config.chosen, dict[str, Any]()
    size = parameters(at.base)
    if mode == "auto" and size < SMALL:
        progress.note(f"lessons are made by rule: {size:,} parameters are too few to write them")
        mode = "structure"
    elif mode == "auto":
        name, reason = choose_in_ollama()
        if name:
            found = {"teacher": f"{OLLAMA}{name}"}
            mode = "teacher"
            progress.note(f"{name} in Ollama writes the lessons: it is {reason}")
        else:
            progress.note(f"no teacher: {reason}")
    if mode == "teacher":
        found["named"] = "teacher" not in found
        found |= _teacher(build, found.get("teacher", config.teacher))
    if mode != "structure":
        found["base"] = make_gguf(build, progress)
        found["answers"] = size >= SMALL and chat_template(at.base) is not None
    if mode in ("auto", "self"):
        follows = _follows(build, found["base"], mode, progress)
        mode = mode if mode == "self" else "self" if follows else "structure"
    if mode == "structure":  # whichever base it was, the lessons are the same
        found = {}
        at.writer_gguf.unlink(missing_ok=True)
    write_json(at.writer, {"mode": mode, "identity": found.get("base", ""), **found})


def _teacher(build: Build, teacher: str) -> dict[str, Any]:
    """Return what names a teacher and its bytes or server. Raises ServerError."""
    config = replace(build.config, lessons=replace(build.config.lessons, teacher=teacher))
    if file := teacher_file(config.lessons):
        digest = Hashes(build.at.hashes).file(file.absolute())[:16]
        return {"teacher": teacher, "model": "", "identity": f"{file.name} {digest}"}
    model = find_model(config)
    identity = teacher if teacher.endswith(model) else f"{teacher} {model}"
    return {"teacher": teacher, "model": model, "identity": identity}


def _follows(build: Build, identity: str, asked: str, progress: Progress) -> bool:
    """Try whether the base follows instructions, and report it."""
    from localtune.lessons.probe import probe
    from localtune.llama.llama import CrashError

    try:
        tried = probe(_base_writer(build, identity))
    except CrashError as error:
        if error.killed:  # for want of memory, which says nothing about the base
            raise
        progress.warn(f"{error.message} The base is treated as unable to follow instructions.")
        return False
    said = f"the base does {tried.done} of {tried.tasks} small tasks with a text in view"
    if asked == "auto":
        by_rule = "rules make the lessons, in English and in fewer wordings than a --teacher"
        then = "it writes the lessons" if tried.follows else by_rule
        progress.note(f"{said}: {then}")
    elif not tried.follows:
        progress.warn(f"{said}, too few to expect lessons of use")
    return tried.follows


def make_gguf(build: Build, progress: Progress) -> str:
    """Make the base's Q8_0, unless the base is a GGUF already; return what names its bytes."""
    from localtune.export.unpack.gguf_source import SOURCE
    from localtune.llama.quantize import quantize

    at = build.at
    if not (at.base / SOURCE).exists():
        with temporary_path(at.work / "base-BF16.gguf") as whole:
            models.convert_base(build, whole, progress)
            quantize(whole, at.writer_gguf, "Q8_0", progress=progress)
    return f"{Path(build.config.base.base).name} {Hashes(at.hashes).file(_gguf(build))[:16]}"


def _gguf(build: Build) -> Path:
    from localtune.export.unpack.gguf_source import SOURCE

    own = build.at.base / SOURCE
    return own if own.exists() else build.at.writer_gguf


def _base_writer(build: Build, identity: str) -> LocalWriter:
    from localtune.llama.writer import LocalWriter

    return LocalWriter(_gguf(build), identity, CONTEXT)


@contextmanager
def _writers(
    build: Build, chosen: dict[str, Any], progress: Progress
) -> Iterator[tuple[Writer, Writer]]:
    """Yield what writes, and the base; they are one in mode `self`."""
    from localtune.llama.bf16_copy import fastest_to_write
    from localtune.llama.writer import LocalWriter

    control, alone = control_tokens_of(build.at.base), chosen["mode"] == "self"
    lessons = replace(build.config.lessons, teacher=chosen.get("teacher", ""))
    base = None if alone else GuardedWriter(_base_writer(build, chosen["base"]), control)
    if file := _gguf(build) if alone else teacher_file(lessons):
        with fastest_to_write(file, build.at.work, progress) as copy:
            writer = GuardedWriter(LocalWriter(copy, chosen["identity"], CONTEXT), control)
            yield writer, base or writer
        return
    assert base
    warn_if_remote(replace(build.config, lessons=lessons), chosen["model"], progress)
    with connected(lessons, chosen["model"]) as teacher:
        teacher.identity = chosen["identity"]
        yield GuardedWriter(teacher, control), base


def exam(build: Build, out: Path, progress: Progress) -> None:
    """Let the chosen model write the exam; by rule where there is none, or it fails."""
    from localtune.lessons.rules.exam import by_rule
    from localtune.lessons.teacher.exam import ExamFiles, write_exam_with
    from localtune.llama.llama import CrashError
    from localtune.llama.writing import NotUsableError

    at, chosen = build.at, read_json(build.at.writer)
    write_jsonl(at.exam_known, [])
    if chosen["mode"] == "structure" or not any(True for _ in read_jsonl(at.passages)):
        exams.by_rule(build, out, progress)
        return
    files = ExamFiles(at.passages, out, at.exam_known, at.ledgers / "exam.jsonl")
    seed = build.config.exam.seed
    try:
        with _writers(build, chosen, progress) as (writer, base):
            write_exam_with(
                writer,
                partial(_known, build, base),
                partial(by_rule, at.passages, seed),
                files,
                build.config.exam,
                progress,
            )
    except (NotUsableError, CrashError) as error:
        _fall_back(chosen, error, "the exam is", progress)
        exams.by_rule(build, out, progress)


def _fall_back(chosen: dict[str, Any], error: Exception, what: str, progress: Progress) -> None:
    """Report that rules take over; the failure of a teacher that the user named is an error."""
    if chosen.get("named"):
        raise error
    progress.warn(f"{error} So {what} made by rule.")


def _known(build: Build, base: Writer, rows: list[dict[str, Any]], progress: Progress) -> set[str]:
    """Return the ids of the questions that the base answers without the documents."""
    from localtune.evaluation.recall import is_correct
    from localtune.lessons.each import write_each
    from localtune.lessons.ledger import Ledger, key_of
    from localtune.llama.writing import UnusableError
    from localtune.prompts import with_system

    system, longest = build.config.chat.system, build.config.grade.max_answer_tokens
    ledger = Ledger(build.at.ledgers / "known.jsonl")

    def make(row: dict[str, Any]) -> dict[str, Any]:
        asked = with_system([{"role": "user", "content": row["question"]}], system)
        try:
            return {"said": base.write(asked, max_tokens=longest).text}
        except UnusableError:
            return {"said": ""}

    jobs = []
    for row in rows:
        asked = {"title": "", "text": row["question"]}
        jobs.append((key_of(asked, base.identity, system, str(longest)), row))
    write_each(jobs, make, ledger, base.parallel, progress, "questions that the base may know")
    return {row["id"] for key, row in jobs if is_correct(ledger.rows[key]["said"], row["answers"])}


def lessons(build: Build, progress: Progress) -> None:
    """Let the chosen model write the lessons; by rule where there is none, or it fails."""
    from localtune.corpus.clean.language import languages_of
    from localtune.lessons.teacher.lessons import LessonFiles, write_lessons_with
    from localtune.llama.llama import CrashError
    from localtune.llama.writing import NotUsableError

    at, reading, chosen = build.at, build.config.corpus, read_json(build.at.writer)
    if chosen["mode"] == "structure":
        lessons_by_rule(build, progress)
        return
    check_template(at, build.config)
    files = LessonFiles(
        passages=at.passages,
        exam=at.exam,
        lessons=at.lessons,
        ledgers=at.ledgers,
        chats=at.chats,
        allow=None if reading.keep_private else reading.allow,
        system=build.config.chat.system,
        dropped=at.dropped,
        counts=at.lesson_counts,
        development=at.development,
        languages=tuple(languages_of(read_jsonl(at.passages)).items()),
    )
    try:
        with _writers(build, chosen, progress) as (writer, base):
            answers = base if chosen["answers"] else None
            clock = writing_clock(build.config.train, at)
            write_lessons_with(writer, answers, files, build.config.with_replay(), progress, clock)
    except (NotUsableError, CrashError) as error:
        _fall_back(chosen, error, "lessons are", progress)
        lessons_by_rule(build, progress)


def lessons_by_rule(build: Build, progress: Progress) -> None:
    """Make the lessons by rule, of which none is counted or dropped."""
    write_json(build.at.lesson_counts, {})
    write_jsonl(build.at.dropped, [])
    steps.lessons(build, progress)
