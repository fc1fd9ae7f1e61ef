"""A teacher over real HTTP: what is sent, what is tried again, what is an error, what is kept."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_proxy import FAULTS, between
from rule_teacher import MODEL, RuleTeacher, teaching

from localtune.config import BaseConfig, BuildConfig, CorpusConfig, ExamConfig, LessonsConfig
from localtune.errors import ConfigError, InputError, LocaltuneError, ServerError
from localtune.evaluation.recall import is_correct, read_exam
from localtune.lessons.grounding import declines, grounded
from localtune.lessons.model_exam import Examined, write_exam_with
from localtune.lessons.model_lessons import NotUsableError, Written, write_with
from localtune.lessons.probe import probe
from localtune.lessons.requests import an_object, ask, text, texts
from localtune.lessons.similarity import Exam
from localtune.progress import Silent
from localtune.runtimes.teacher import FORMATS, Teacher
from localtune.runtimes.writer import LocalWriter
from localtune.teachers import (
    address,
    check_teacher,
    connected,
    destination,
    find_model,
    warn_if_remote,
)
from localtune.workspace import read_jsonl, write_jsonl
from localtune.writing import UnusableError

pytest_plugins = ["tiny_server"]
USER = [{"role": "user", "content": "Who keeps the keys?"}]
SCHEMA = an_object(answer=text(40))
ROWS = [
    {
        "id": str(number),
        "document": f"{number % 2}.md",
        "title": f"Pier {number}",
        "headings": [],
        "text": f"The gate of pier {number} opens at {number + 6}:10.\nPier {number} has a crane.",
        "tokens": 30,
    }
    for number in range(6)
]


@pytest.fixture
def rule() -> Iterator[RuleTeacher]:
    with teaching() as running:
        yield running


def teacher_at(url: str, **more: float) -> Teacher:
    return Teacher(f"{url}/", "tiny", wait=0.01, **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_base_itself_writes_json_of_a_schema(tiny_gguf: Path) -> None:
    writer = LocalWriter(tiny_gguf, "tiny")
    schema = an_object(facts=texts(2, 2), name=text(30))
    made = [ask(writer, None, "List two facts.", schema, seed=seed) for seed in (1, 1)]
    assert made[0] == made[1] and len(made[0]["facts"]) == 2 and len(made[0]["name"]) <= 30
    warm = [ask(writer, None, "Go on.", schema, seed=seed, temperature=1.5) for seed in (1, 2)]
    assert warm[0] != warm[1]
    assert writer.write(USER, max_tokens=20)
    with pytest.raises(UnusableError, match="doesn't fit"):
        writer.write([{"role": "user", "content": "key " * 2000}])
    with pytest.raises(UnusableError, match="cut off"):
        writer.write(USER, an_object(answer=text(400)), max_tokens=3)
    assert not probe(writer).follows


@pytest.mark.slow
def test_a_real_server_holds_to_a_schema_in_the_way_that_it_knows(tiny_server: int) -> None:
    teacher = teacher_at(f"http://127.0.0.1:{tiny_server}/v1")
    assert teacher.models() == ["tiny"]
    assert set(ask(teacher, None, "Say something.", SCHEMA, seed=1)) == {"answer"}
    # llama-cpp-python refuses response_format json_schema; what it takes is remembered.
    assert FORMATS[teacher._format](SCHEMA)["response_format"] == {
        "type": "json_object",
        "schema": SCHEMA,
    }


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_of_any_kind_is_got_over(tiny_server: int, fault: str) -> None:
    with between(tiny_server, ["", "", fault], late=6.0) as proxy:  # two find the format out
        teacher = teacher_at(proxy.url, patience=5.0)
        ask(teacher, None, "Say something.", SCHEMA, seed=1)
        said = ask(teacher, None, "Say something else.", SCHEMA, seed=1)
    assert set(said) == {"answer"}
    times = [when for _, when in proxy.done]
    assert [which for which, _ in proxy.done] == ["", "", fault, ""]
    assert fault != "429" or times[3] - times[2] >= 1.0  # as Retry-After says


def until_done(teacher: Teacher, files: Written) -> None:
    """Start again where six faults in a row made it stop, as a person would."""
    for _ in range(9):
        try:
            write_with(teacher, None, files, LessonsConfig(effort="quick"), Silent())
            return
        except ServerError as error:
            assert "aren't asked for again" in error.hint


@pytest.mark.slow
def test_no_passage_is_lost_and_none_done_twice_whatever_goes_wrong(
    tiny_server: int, tmp_path: Path
) -> None:
    # A server goes on with what a client has given up: one late answer only, and time to catch up.
    quick = [fault for fault in FAULTS if fault not in ("late", "429")]
    faults = [*FAULTS, "", *quick, "", "", *quick]
    write_jsonl(tmp_path / "passages.jsonl", ROWS)
    write_jsonl(tmp_path / "exam.jsonl", [])
    files = Written(
        *(tmp_path / f"{name}.jsonl" for name in ("passages", "exam", "lessons")),
        tmp_path / "ledgers", None, (), "",
    )  # fmt: skip
    with between(tiny_server, faults, late=8.0) as proxy:
        teacher = teacher_at(proxy.url, patience=7.0, parallel=3)
        with pytest.raises(NotUsableError, match=r"can't be used: 0 of \d+ texts \(0%\)"):
            until_done(teacher, files)
        ledger = tmp_path / "ledgers" / "lessons.jsonl"
        kept = [json.loads(line)["key"] for line in ledger.read_text().splitlines()]
        assert len(kept) == len(set(kept)) == len(ROWS)
        assert len(proxy.done) > len(faults)
        proxy.done.clear()
        with pytest.raises(NotUsableError):
            write_with(teacher, None, files, LessonsConfig(effort="quick"), Silent())
        assert proxy.done == []  # everything stands in the ledger


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
                teacher.write(USER, SCHEMA)
            assert error.value.hint and len(proxy.done) == 6
    late = pytest.raises(ServerError, match=r"gave no answer for 0\.05 s")
    with between(port, ["late"] * 9, late=0.4) as proxy, late:
        teacher_at(proxy.url, patience=0.05).write(USER, SCHEMA)
    with between(port, ["garbage"] * 9) as proxy, pytest.raises(UnusableError, match="no JSON"):
        ask(teacher_at(proxy.url), None, "Facts?", SCHEMA, seed=1)


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
        ask(teacher, None, "Who?", SCHEMA, seed=1)
    assert rule.keys == {"Bearer s3cret"} and "s3cret" not in json.dumps(rule.bodies)
    assert rule.bodies[0]["model"] == MODEL
    strict = rule.bodies[0]["response_format"]["json_schema"]["schema"]
    assert "maxLength" not in json.dumps(strict) and strict["additionalProperties"] is False


@pytest.mark.slow
def test_lessons_of_a_good_teacher_with_the_bases_own_answers(
    rule: RuleTeacher, tiny_gguf: Path, tmp_path: Path
) -> None:
    """What each row is for, and that nothing comes near the exam or says more than its passage."""
    write_jsonl(tmp_path / "passages.jsonl", ROWS)
    asked = "What is known about gate pier 3 opens?"
    write_jsonl(tmp_path / "exam.jsonl", [{"question": asked}])
    files = Written(
        *(tmp_path / f"{name}.jsonl" for name in ("passages", "exam", "lessons")),
        tmp_path / "ledgers", None, (), "You know the piers.",
    )  # fmt: skip
    base = LocalWriter(tiny_gguf, "tiny")
    config = LessonsConfig(effort="quick", teacher=rule.url)
    with connected(config, MODEL) as teacher:
        number = write_with(teacher, base, files, config, Silent())
    rows = list(read_jsonl(files.lessons))
    kinds = Counter(row["kind"] for row in rows)
    assert len(rows) == number and len({row["id"] for row in rows}) == number
    assert {"forward", "reverse", "cloze", "text", "unknown", "replay"} <= set(kinds)
    passages, exam = {row["id"]: row["text"] for row in ROWS}, Exam([asked])
    for row in rows:
        if row["kind"] == "text":
            assert set(row) == {"id", "kind", "document", "text"}
            continue
        system, user, assistant = row["messages"]
        assert system == {"role": "system", "content": "You know the piers."}
        assert not exam.is_near(user["content"]) and assistant["content"]
        source = {"replay": "alone", "unknown": None}.get(row["kind"], "passage")
        assert row.get("targets") == source
        if source == "passage":
            assert grounded(assistant["content"], passages[row["passage"]])
        elif row["kind"] == "unknown":
            assert declines(assistant["content"])
    others = number - kinds["replay"]
    assert kinds["replay"] <= others and kinds["replay"] >= 0.8 * min(500, others)


@pytest.mark.slow
def test_the_exam_is_in_other_words_and_without_what_the_base_knows(
    rule: RuleTeacher, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "passages.jsonl", ROWS)
    files = Examined(*(tmp_path / f"{name}.jsonl" for name in ("passages", "exam", "known", "led")))

    def knows(question: str, answers: list[str]) -> bool:
        return answers == ["crane"]

    config = LessonsConfig(teacher=rule.url)
    with connected(config, MODEL) as teacher:
        number = write_exam_with(teacher, knows, files, ExamConfig(questions=12), Silent())
        known, exam = list(read_jsonl(files.known)), read_exam(files.exam)
        assert number == len(exam) == 12 and known
        assert {row["answers"][0] for row in known} == {"crane"}
        assert not any(row["answers"] == ["crane"] for row in exam)
        asked = len(rule.bodies)
        write_exam_with(teacher, knows, files, ExamConfig(questions=12), Silent())
        assert len(rule.bodies) == asked and read_exam(files.exam) == exam
        assert write_exam_with(teacher, knows, files, ExamConfig(questions=5), Silent()) == 5
    assert len({row["document"] for row in exam}) == 2
    unanswerable = [row for row in exam if row["kind"] == "unanswerable"]
    assert unanswerable
    for row in unanswerable:
        assert is_correct("I'm sorry, but I don't know that.", row["answers"])
        assert not is_correct("Zorvath Quell looks after it.", row["answers"])
    passages = {row["id"]: row["text"] for row in ROWS}
    for row in exam:
        if row["kind"] != "unanswerable":
            assert is_correct(passages[row["passage"]], row["answers"])


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
    rule.shown = {"remote_host": "https://ollama.com:443", "remote_model": "large"}
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
