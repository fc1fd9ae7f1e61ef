"""A teacher over real HTTP: what is sent, what is tried again, what is an error, what is kept."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty_proxy import FAULTS, RETRIED, SPOILT, between
from rule_teacher import MODEL, RuleTeacher, teaching

from localtune.config.stages import BaseConfig, BuildConfig, CorpusConfig, ExamConfig, LessonsConfig
from localtune.errors import ConfigError, InputError, LocaltuneError, ServerError
from localtune.evaluation.recall import is_correct, read_exam
from localtune.lessons.grounding import grounded
from localtune.lessons.probe import probe
from localtune.lessons.similarity import ExamQuestions
from localtune.lessons.teacher.exam import ExamFiles, write_exam_with
from localtune.lessons.teacher.lessons import LessonFiles, write_lessons_with
from localtune.lessons.teacher.selection import (
    address,
    check_teacher,
    connected,
    destination,
    find_model,
    warn_if_remote,
)
from localtune.lessons.teacher.server import Teacher
from localtune.llama.writer import LocalWriter
from localtune.llama.writing import NotUsableError, UnusableError
from localtune.progress import Progress, Silent
from localtune.workspace import read_jsonl, write_jsonl

pytest_plugins = ["tiny_server"]
USER = [{"role": "user", "content": "Who keeps the keys?"}]
NAMES = ("Amber", "Birch", "Cedar", "Dune", "Ember", "Fern")


def pier(number: int, name: str) -> dict[str, Any]:
    """Return a passage about a pier; every second one has a crane."""
    text = (
        f"The gate of the {name} Pier opens at {number + 6}:10.\n"
        f"The {name} Pier has {number + 20} berths for small boats.\n"
    )
    if number % 2:
        text += f"The crane of the {name} Pier lifts {number + 40} tonnes at most."
    row = {"id": str(number), "document": f"{number % 2}.md", "title": f"{name} Pier"}
    return {**row, "headings": [], "text": text, "tokens": 30}


ROWS = [pier(number, name) for number, name in enumerate(NAMES)]


@pytest.fixture
def rule() -> Iterator[RuleTeacher]:
    with teaching() as running:
        yield running


def teacher_at(url: str, **more: float) -> Teacher:
    return Teacher(f"{url}/", "tiny", wait=0.01, **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_base_itself_writes_texts(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    asked = [{"role": "user", "content": "List two facts."}]
    first, again = (writer.write(asked, max_tokens=30, temperature=1.5, seed=1) for _ in range(2))
    assert first == again and first.text
    assert writer.write(asked, max_tokens=30, temperature=1.5, seed=2) != first
    with pytest.raises(UnusableError, match="does not fit"):
        writer.write([{"role": "user", "content": "key " * 9000}])
    assert not writer.write(USER, max_tokens=3).ended
    assert not probe(writer).follows


@pytest.mark.slow
def test_a_real_server_writes_texts(tiny_server: int) -> None:
    teacher = teacher_at(f"http://127.0.0.1:{tiny_server}/v1")
    assert teacher.models() == ["tiny"]
    whole = teacher.write(USER, max_tokens=40)
    assert whole.text and not teacher.write(USER, max_tokens=3).ended
    stop = whole.text[len(whole.text) // 2 :][:6]
    cut = teacher.write(USER, max_tokens=40, stop=(stop, "never said"))
    assert cut.text == whole.text.partition(stop)[0].strip() and cut.ended
    # It fails at probabilities for a model that was loaded without `logits_all`.
    assert teacher.write(USER, max_tokens=3, top=5) == teacher.write(USER, max_tokens=3)
    # llama-cpp-python's server is no Ollama: it runs its models itself.
    assert teacher.remote_host() == ""


@pytest.mark.slow
@pytest.mark.parametrize("fault", RETRIED)
def test_one_fault_on_the_way_is_got_over(tiny_server: int, fault: str) -> None:
    with between(tiny_server, ["", fault], late=6.0) as proxy:
        teacher = teacher_at(proxy.url, patience=5.0)
        before = teacher.write(USER, max_tokens=20)
        assert teacher.write(USER, max_tokens=20) == before
    times = [when for _, when in proxy.done]
    assert [which for which, _ in proxy.done] == ["", fault, ""]
    assert fault != "429" or times[2] - times[1] >= 1.0  # as Retry-After says


@pytest.mark.parametrize("fault", SPOILT)
def test_an_answer_of_no_use_is_one_text_lost(rule: RuleTeacher, fault: str) -> None:
    with between(rule.server_port, [fault]) as proxy:
        teacher = teacher_at(proxy.url)
        if fault in ("empty", "list"):
            with pytest.raises(UnusableError, match="no text"):
                teacher.write(USER)
        else:
            assert teacher.write(USER).ended is (fault == "garbage")
        assert teacher.write(USER).ended
    assert len(proxy.done) == 2


def lesson_files(folder: Path, exam: tuple[str, ...] = (), system: str = "") -> LessonFiles:
    write_jsonl(folder / "passages.jsonl", ROWS)
    write_jsonl(folder / "exam.jsonl", [{"question": question} for question in exam])
    return LessonFiles(
        passages=folder / "passages.jsonl",
        exam=folder / "exam.jsonl",
        lessons=folder / "lessons.jsonl",
        ledgers=folder / "ledgers",
        chats=None,
        allow=(),
        system=system,
        dropped=folder / "dropped.jsonl",
        counts=folder / "counts.json",
    )


def until_done(teacher: Teacher, files: LessonFiles) -> None:
    """Start again where six faults in a row made it stop, as a user would."""
    for _ in range(9):
        try:
            write_lessons_with(teacher, None, files, LessonsConfig(effort="quick"), Silent())
            return
        except ServerError as error:
            assert "aren't asked for again" in error.hint


@pytest.mark.slow
def test_no_text_is_lost_and_none_written_twice_whatever_goes_wrong(
    rule: RuleTeacher, tmp_path: Path
) -> None:
    # A server goes on with what a client has given up: one late answer only, and time to catch up.
    quick = [fault for fault in FAULTS if fault not in ("late", "429")]
    faults = [*FAULTS, "", *quick, "", "", *quick]
    files = lesson_files(tmp_path)
    with between(rule.server_port, faults, late=2.0) as proxy:
        teacher = teacher_at(proxy.url, patience=1.0, parallel=3)
        until_done(teacher, files)
        ledger = tmp_path / "ledgers" / "lessons.jsonl"
        kept = [json.loads(line)["key"] for line in ledger.read_text().splitlines()]
        assert len(kept) == len(set(kept))
        assert len(proxy.done) > len(faults)
        # Only what was lost on its way back was asked again.
        assert rule.repeated() <= faults.count("half")
        written = files.lessons.read_bytes()
        proxy.done.clear()
        until_done(teacher, files)
        assert proxy.done == [] and files.lessons.read_bytes() == written


@pytest.mark.slow
def test_a_server_that_writes_nonsense_is_an_error_and_is_not_asked_twice(
    tiny_server: int, tmp_path: Path
) -> None:
    files = lesson_files(tmp_path)
    with between(tiny_server, []) as proxy:
        teacher = teacher_at(proxy.url, parallel=3)
        with pytest.raises(NotUsableError, match=r"cannot be used: 0 of \d+ pairs \(0%\)"):
            write_lessons_with(teacher, None, files, LessonsConfig(effort="quick"), Silent())
        assert proxy.done
        proxy.done.clear()
        with pytest.raises(NotUsableError):
            write_lessons_with(teacher, None, files, LessonsConfig(effort="quick"), Silent())
        assert proxy.done == []


def test_what_lasts_is_an_error_that_says_what_to_do(rule: RuleTeacher) -> None:
    port = rule.server_port
    cases = {"kill": "can't be reached", "500": "HTTP 500", "429": "slow down"}
    for fault, said in cases.items():
        with between(port, [fault] * 50) as proxy:
            teacher = teacher_at(proxy.url)
            if fault == "429":  # Retry-After of a second, five times
                proxy.faults = ["429", *["500"] * 40]
                said = "HTTP 500"
            with pytest.raises(ServerError, match=said) as error:
                teacher.write(USER)
            assert error.value.hint and len(proxy.done) == 6
    late = pytest.raises(ServerError, match=r"gave no answer for 0\.05 s")
    with between(port, ["late"] * 9, late=0.4) as proxy, late:
        teacher_at(proxy.url, patience=0.05).write(USER)


def test_nobody_there_and_no_address(rule: RuleTeacher) -> None:
    with socket.socket() as probed:
        probed.bind(("127.0.0.1", 0))
        port = probed.getsockname()[1]
    with pytest.raises(ServerError, match="can't be reached"):
        teacher_at(f"http://127.0.0.1:{port}/v1").models()
    with pytest.raises(ConfigError, match="no address"):
        teacher_at("http://[half/v1")


def test_the_key_goes_into_a_header_and_nowhere_else(
    rule: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALTUNE_TEACHER_KEY", "s3cret")
    config = LessonsConfig(teacher=rule.url)
    with connected(config, find_model(BuildConfig(lessons=config))) as teacher:
        teacher.write(USER, max_tokens=40, temperature=0.4, seed=1, stop=("\n---",))
    assert rule.keys == {"Bearer s3cret"} and "s3cret" not in json.dumps(rule.bodies)
    assert "s3cret" not in teacher.identity
    assert rule.bodies == [
        {
            "model": MODEL,
            "messages": USER,
            "max_tokens": 40,
            "temperature": 0.4,
            "seed": 1,
            "stream": False,
            "stop": ["\n---"],
        }
    ]


@pytest.mark.slow
def test_lessons_of_a_good_teacher_with_the_bases_own_answers(
    rule: RuleTeacher, tiny_gguf: Path, tmp_path: Path
) -> None:
    """What each row is for, and that nothing comes near the exam or adds to the documents."""
    asked = "What is known about the gate of the Dune Pier opens at?"
    files = lesson_files(tmp_path, (asked,), system="You know the piers.")
    base = LocalWriter(tiny_gguf, "tiny")
    config = LessonsConfig(effort="quick", teacher=rule.url, replay=0.4)
    with connected(config, MODEL) as teacher:
        number = write_lessons_with(teacher, base, files, config, Silent())
    rows = list(read_jsonl(files.lessons))
    kinds = Counter(row["kind"] for row in rows)
    own = [row for row in rows if row["kind"] != "replay" or "messages" in row]
    assert len(own) == number and len({row["id"] for row in rows}) == len(rows)
    assert {"chat", "text", "replay"} <= set(kinds)
    passages, exam = " ".join(row["text"] for row in ROWS), ExamQuestions([asked])
    answers = Counter[str]()
    for row in own:
        if row["kind"] == "text":
            assert set(row) == {"id", "kind", "document", "text"}
            continue
        system, *said = row["messages"]
        assert system == {"role": "system", "content": "You know the piers."}
        assert row.get("targets") == ("alone" if row["kind"] == "replay" else None)
        for user, assistant in zip(said[::2], said[1::2], strict=True):
            assert not exam.is_near(user["content"]) and assistant["content"]
            if row["kind"] != "replay":
                declined = "documents" in assistant["content"]
                answers["declined" if declined else "answered"] += 1
                assert declined or grounded(assistant["content"], passages)
    assert answers["answered"] > 5 * answers["declined"] > 0
    assert kinds["replay"] > len(rows) - len(own) > 0, "the base's own answers and general text"
    assert rule.repeated() == 0


@pytest.mark.slow
def test_the_exam_is_in_other_words_and_without_what_the_base_knows(
    rule: RuleTeacher, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "passages.jsonl", ROWS)
    files = ExamFiles(
        *(tmp_path / f"{name}.jsonl" for name in ("passages", "exam", "known", "ledger"))
    )

    def knows(rows: list[dict[str, Any]], progress: Progress) -> set[str]:
        return {row["id"] for row in rows if "tonnes" in row["answers"][0]}

    def fill(number: int) -> list[dict[str, Any]]:
        raise AssertionError("rules were asked for questions")

    def write(questions: int) -> int:
        return write_exam_with(
            teacher, knows, fill, files, ExamConfig(questions=questions), Silent()
        )

    config = LessonsConfig(teacher=rule.url)
    with connected(config, MODEL) as teacher:
        number = write(9)
        known, exam = list(read_jsonl(files.known)), read_exam(files.exam)
        assert number == len(exam) == 9 and known
        assert all("tonnes" in row["answers"][0] for row in known)
        assert not any("tonnes" in row["answers"][0] for row in exam)
        asked = len(rule.bodies)
        write(9)
        assert len(rule.bodies) == asked and read_exam(files.exam) == exam
        assert write(5) == 5
    assert len({row["document"] for row in exam}) == 2
    passages = {row["id"]: row["text"] for row in ROWS}
    for row in exam:
        assert is_correct(passages[row["passage"]], row["answers"])
        assert row["answers"][0] not in row["question"]


class Heard(Silent):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.mark.parametrize(
    ("teacher", "url", "away"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/", False),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1/", False),
        ("http://[::1]:8000/api/v2", "http://[::1]:8000/api/v2/", False),
        ("http://192.168.7.2:8000", "http://192.168.7.2:8000/v1/", True),
        ("https://models.example/v1", "https://models.example/v1/", True),
        ("ollama:qwen3:4b", "http://127.0.0.1:11434/v1/", False),
        ("ollama:gpt-oss:120b-cloud", "http://127.0.0.1:11434/v1/", True),
        ("ollama:gpt-oss:120B-Cloud", "http://127.0.0.1:11434/v1/", True),
    ],
)
def test_a_teacher_elsewhere_is_known_by_its_address(
    teacher: str, url: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    config, heard = LessonsConfig(teacher=teacher), Heard()
    config.check()
    assert address(config)[0] == url and bool(destination(config)) is away
    offline = BuildConfig(lessons=config, base=BaseConfig(offline=True))
    if not away:
        check_teacher(offline)
        return
    with pytest.raises(ConfigError, match="--offline"):
        check_teacher(offline)
    warn_if_remote(BuildConfig(lessons=config), address(config)[1] or "m", heard)
    assert "private data replaced" in heard.warned[0]
    assert any("not encrypted" in said for said in heard.warned) is ("192.168" in teacher)


def test_private_data_that_is_kept_is_said_to_leave() -> None:
    heard, lessons = Heard(), LessonsConfig(teacher="https://models.example")
    warn_if_remote(BuildConfig(lessons=lessons, corpus=CorpusConfig(keep_private=True)), "m", heard)
    assert "as they are" in heard.warned[0]


def test_a_model_that_ollama_runs_elsewhere_is_a_remote_teacher(rule: RuleTeacher) -> None:
    named = BuildConfig(lessons=LessonsConfig(teacher=rule.url, teacher_model=MODEL))
    unnamed = BuildConfig(lessons=LessonsConfig(teacher=rule.url))
    offline = replace(named, base=BaseConfig(offline=True))
    heard = Heard()
    assert find_model(unnamed) == find_model(offline) == MODEL  # a server that isn't Ollama
    warn_if_remote(offline, MODEL, heard)
    assert not heard.warned
    rule.shown[MODEL] = {"remote_host": "https://ollama.com:443", "remote_model": "large"}
    assert find_model(named) == MODEL
    warn_if_remote(named, MODEL, heard)
    assert len(heard.warned) == 1 and "https://ollama.com:443" in heard.warned[0]
    with pytest.raises(ConfigError, match=r"The only model .* doesn't run there") as error:
        find_model(unnamed)
    assert "--teacher-model by-rule" in error.value.hint
    for check in (find_model, lambda config: warn_if_remote(config, MODEL, heard)):
        with pytest.raises(ConfigError, match=r"--offline is set.*ollama\.com"):
            check(offline)


def test_a_new_address_of_ollama_is_warned_of(
    rule: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, config = Heard(), BuildConfig(lessons=LessonsConfig(teacher=f"ollama:{MODEL}"))
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{rule.server_port}")
    warn_if_remote(config, MODEL, heard)
    assert not heard.warned
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.7:11434")
    warn_if_remote(config, MODEL, heard)
    assert "192.0.2.7" in heard.warned[0] and "not encrypted" in heard.warned[1]


def test_a_model_that_is_not_there_or_not_named(
    rule: RuleTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{rule.server_port}")

    def found(**lessons: str) -> str:
        return find_model(BuildConfig(lessons=LessonsConfig(**lessons)))  # type: ignore[arg-type]

    with pytest.raises(InputError, match=r"Ollama has no model 'qwen3:4b'"):
        found(teacher="ollama:qwen3:4b")
    assert found(teacher=f"ollama:{MODEL}") == MODEL
    assert found(teacher=rule.url) == MODEL
    assert found(teacher=rule.url, teacher_model="other") == "other"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"teacher": "qwen3"}, "--teacher is 'qwen3'"),
        ({"teacher": "ollama:"}, "--teacher is 'ollama:'"),
        *(
            ({"teacher": teacher, "mode": mode}, "LOCALTUNE_TEACHER_KEY")
            for mode in ("auto", "self")
            for teacher in (
                "https://me:s3cret@models.example/v1",
                "HTTPS://me:s3cret@models.example",
                "ftp://me:s3cret@models.example",
                "me:s3cret@models.example",
                "https:/me:s3cret@models.example",
                "https://models.example\\@s3cret@x",
                "https://models.example/v1?key=s3cret",
                "https://models.example?api_key=s3cret",
                "https://models.example/v1#s3cret",
                "models.example/v1?key=s3cret",
            )
        ),
        ({"mode": "teacher"}, "--lessons is 'teacher'"),
        ({"mode": "self", "teacher": "ollama:x"}, "--teacher is 'ollama:x'"),
        ({"effort": "some"}, "--effort is 'some'"),
        ({"parallel": 0}, "--parallel is 0"),
    ],
)
def test_mistakes_are_named_and_keys_never_shown(given: dict[str, object], said: str) -> None:
    with pytest.raises(LocaltuneError, match=said) as error:
        LessonsConfig(**given).check()  # type: ignore[arg-type]
    assert "s3cret" not in error.value.message
