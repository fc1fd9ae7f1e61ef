"""Which model writes lessons and exam, where it comes from, and the stages that it works in.

The base writes as Q8_0 in llama.cpp (mode `self`), or a server does (mode `teacher`). `auto` tries
the base and takes rules (`structure`) for one that can't follow an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localtune import exams, steps
from localtune.control_tokens import control_tokens_of
from localtune.fields import locked_values
from localtune.guarded_writer import GuardedWriter
from localtune.hashes import Hashes
from localtune.progress import Progress
from localtune.stage import Stage
from localtune.steps import Build
from localtune.teachers import connected, find_model, warn_if_remote
from localtune.template_check import check_template
from localtune.training.base import parameters
from localtune.workspace import read_json, temporary_path, write_json, write_jsonl

if TYPE_CHECKING:
    from localtune.lessons.model_exam import Knows
    from localtune.runtimes.writer import LocalWriter
    from localtune.writing import Writer

SMALL = 100_000_000  # parameters; no smaller model is known to write questions
LIBRARIES = ("gguf", "llama-cpp-python")  # whose version can change what writes
CONTEXT = 4096  # tokens of a passage, what is asked about it, and the answer


def stages(build: Build, stage: Callable[..., Stage], shared: dict[str, Any]) -> list[Stage]:
    """Return the stages from passages to lessons: by rule, or by a model that is chosen first."""
    at, config = build.at, build.config
    how, asked = {**locked_values(config.lessons), **shared}, locked_values(config.exam)
    read, made = [at.passages, at.exam, at.chats], [at.lessons, at.development]
    # fmt: off
    if config.lessons.chosen == "structure":
        return [
            stage("exam", asked, [at.passages, at.chats], [at.exam], (),
                  partial(exams.exam, exams.by_rule), version=3),
            stage("lessons", how, read, made, (), steps.lessons, version=4),
        ]
    who = {name: how[name] for name in ("mode", "teacher", "teacher_model")}
    known = {"system": config.chat.system, "max_answer_tokens": config.grade.max_answer_tokens}
    # The ledgers in which a model's work lies are no scratch: they know themselves what is current.
    return [
        stage("writer", who, [at.base], [at.writer, at.writer_gguf], LIBRARIES, choose),
        stage("exam", {**asked, **known}, [at.passages, at.chats, at.writer],
              [at.exam, at.exam_known], (), partial(exams.exam, exam), version=3),
        stage("lessons", how, [*read, at.writer], made, (), lessons, version=4),
    ]
    # fmt: on


def choose(build: Build, progress: Progress) -> None:
    """Decide what writes lessons and exam, and keep it in writer.json.

    {"mode", "identity", "model"} of what writes, and of the base, where one is asked, {"base"}, a
    name of its bytes, and {"follows"}, whether it can follow an instruction. Raises ServerError for
    a teacher that isn't there.
    """
    at, config = build.at, build.config.lessons
    mode, found = config.chosen, dict[str, Any]()
    if mode == "teacher":
        found = {"model": find_model(build.config)}
        found["identity"] = f"{config.teacher} {found['model']}"
    size = parameters(at.base)
    if mode == "auto" and size < SMALL:
        progress.note(f"lessons are made by rule: {size:,} parameters are too few to write them")
        mode = "structure"
    else:
        found["base"] = make_gguf(build, progress)
        found["follows"] = _follows(build, found["base"], size, progress)
        mode = {True: "self", False: "structure"}[found["follows"]] if mode == "auto" else mode
    if mode == "structure":  # whichever base it was, the lessons are the same
        found = {}
        at.writer_gguf.unlink(missing_ok=True)
    write_json(at.writer, {"mode": mode, "identity": found.get("base", ""), **found})


def _follows(build: Build, identity: str, size: int, progress: Progress) -> bool:
    """Try whether the base follows instructions, and say what comes of it."""
    from localtune.lessons.probe import probe
    from localtune.runtimes.llama import CrashError

    asked = build.config.lessons.chosen
    if asked == "teacher" and size < SMALL:
        return False
    try:
        tried = probe(_base_writer(build, identity))
    except CrashError as error:
        if error.killed:  # for want of memory, which says nothing about the base
            raise
        progress.warn(f"{error.message} The base is treated as unable to follow instructions.")
        return False
    said = f"the base does {tried.done} of {tried.tasks} small tasks with a text in view"
    if asked == "auto":
        then = "it writes the lessons" if tried.follows else "lessons are made by rule"
        progress.note(f"{said}: {then}")
    elif asked == "self" and not tried.follows:
        progress.warn(f"{said}, too few to expect lessons of use")
    else:
        then = "" if tried.follows else ", too few to mix in its answers to general prompts"
        progress.note(f"{said}{then}")
    return tried.follows


def make_gguf(build: Build, progress: Progress) -> str:
    """Make the base's Q8_0, unless the base is a GGUF already; return what names its bytes."""
    from localtune.export.unpack.gguf_source import SOURCE
    from localtune.runtimes.quantize import quantize

    at = build.at
    if not (at.base / SOURCE).exists():
        with temporary_path(at.work / "base-BF16.gguf") as whole:
            steps.convert_base(build, whole, progress)
            quantize(whole, at.writer_gguf, "Q8_0", progress=progress)
    return f"{Path(build.config.base.base).name} {Hashes(at.hashes).file(_gguf(build))[:16]}"


def _gguf(build: Build) -> Path:
    from localtune.export.unpack.gguf_source import SOURCE

    own = build.at.base / SOURCE
    return own if own.exists() else build.at.writer_gguf


def _base_writer(build: Build, identity: str) -> LocalWriter:
    from localtune.runtimes.writer import LocalWriter

    return LocalWriter(_gguf(build), identity, CONTEXT)


@contextmanager
def _writers(
    build: Build, chosen: dict[str, Any], progress: Progress
) -> Iterator[tuple[Writer, Writer]]:
    """Yield what writes, and the base; they are one in mode `self`."""
    control = control_tokens_of(build.at.base)
    base = GuardedWriter(_base_writer(build, chosen["base"]), control)
    if chosen["mode"] == "self":
        yield base, base
        return
    warn_if_remote(build.config, chosen["model"], progress)
    with connected(build.config.lessons, chosen["model"]) as teacher:
        teacher.identity = chosen["identity"]
        yield GuardedWriter(teacher, control), base


def exam(build: Build, out: Path, progress: Progress) -> None:
    """Let the chosen model write the exam; by rule where there is none, or it can't."""
    from localtune.lessons.model_exam import Examined, write_exam_with
    from localtune.lessons.model_lessons import NotUsableError
    from localtune.runtimes.llama import CrashError

    at, chosen = build.at, read_json(build.at.writer)
    write_jsonl(at.exam_known, [])
    if chosen["mode"] == "structure":
        exams.by_rule(build, out, progress)
        return
    files = Examined(at.passages, out, at.exam_known, at.ledgers / "exam.jsonl")
    try:
        with _writers(build, chosen, progress) as (writer, base):
            knows = _knows(build, base)
            write_exam_with(writer, knows, files, build.config.exam, progress)
    except (NotUsableError, CrashError) as error:
        _fall_back(chosen, error, "the exam is", progress)
        exams.by_rule(build, out, progress)


def _fall_back(chosen: dict[str, Any], error: Exception, what: str, progress: Progress) -> None:
    """Say that rules take over. A teacher was asked for by name, so that its failure is one."""
    if chosen["mode"] == "teacher":
        raise error
    progress.warn(f"{error} So {what} made by rule.")


def _knows(build: Build, base: Writer) -> Knows:
    """Return what says whether the base answers a question by itself; kept in a ledger."""
    from localtune.evaluation.recall import is_correct
    from localtune.in_view import with_system
    from localtune.lessons.ledger import Ledger, key_of
    from localtune.writing import UnusableError

    system, longest = build.config.chat.system, build.config.grade.max_answer_tokens
    ledger = Ledger(build.at.ledgers / "known.jsonl")

    def knows(question: str, answers: list[str]) -> bool:
        key = key_of({"title": "", "text": question}, base.identity, system, str(longest))
        if key not in ledger.rows:
            asked = with_system([{"role": "user", "content": question}], system)
            try:
                said = base.write(asked, max_tokens=longest)
            except UnusableError:
                said = ""
            ledger.add(key, {"said": said})
        return is_correct(ledger.rows[key]["said"], answers)

    return knows


def lessons(build: Build, progress: Progress) -> None:
    """Let the chosen model write the lessons; by rule where there is none, or it can't."""
    from localtune.lessons.model_lessons import NotUsableError, Written, write_with
    from localtune.runtimes.llama import CrashError

    at, reading, chosen = build.at, build.config.corpus, read_json(build.at.writer)
    if chosen["mode"] == "structure":
        steps.lessons(build, progress)
        return
    check_template(at, build.config)
    files = Written(
        at.passages,
        at.exam,
        at.lessons,
        at.ledgers,
        at.chats,
        None if reading.keep_private else reading.allow,
        build.config.chat.system,
        at.development,
    )
    try:
        with _writers(build, chosen, progress) as (writer, base):
            can = base if chosen["follows"] else None
            write_with(writer, can, files, build.config.lessons, progress)
    except (NotUsableError, CrashError) as error:
        _fall_back(chosen, error, "lessons are", progress)
        steps.lessons(build, progress)
