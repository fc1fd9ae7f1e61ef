"""`localtune install`, `uninstall` and `quantize --install`: the real commands, a real server."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_build import make_build
from stand_in_ollama import Handler, StandIn, chatml, digest_of

from localtune.build.job import Build
from localtune.build.open_build import open_build
from localtune.cli.main import cli
from localtune.deploy.install_check import expected_prompt
from localtune.deploy.install_files import InstallRequest, what_is_wanted
from localtune.ollama.disk import store_of
from localtune.ollama.modelfile_grammar import Command
from localtune.progress import Silent

pytestmark = pytest.mark.slow
Run = Callable[..., "Done"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return make_build(tmp_path_factory.mktemp("built in") / "my build", levels=("Q8_0", "Q4_0"))


@pytest.fixture
def build(made: Build, tmp_path: Path) -> Build:
    """A copy of the small build, in a folder with a space and a quotation mark in its name."""
    shutil.copytree(made.at.folder, tmp_path / "bob's build")
    return open_build(tmp_path / "bob's build")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    found = StandIn(tmp_path / "store")
    yield found
    found.close()


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "localtune", *map(str, args)]


def environment(server: StandIn, **more: str) -> dict[str, str]:
    return {**os.environ, "OLLAMA_HOST": server.url, "OLLAMA_MODELS": str(server.store), **more}


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(server: StandIn) -> Run:
    """The command line in this process, as a fresh one loads llama.cpp for a second."""

    def started(*args: str | Path, **more: str) -> Done:
        done = CliRunner().invoke(cli, [str(arg) for arg in args], env=environment(server, **more))
        ended = done.exception is None or isinstance(done.exception, SystemExit)
        assert ended, done.exc_info
        return Done(done.exit_code, done.stdout, done.stderr)

    return started


def refused(done: Done, said: str) -> None:
    """Check that a command ended with one message, its hint, and these words."""
    assert done.returncode == 1, done.stderr
    assert re.findall(r"^(Error|Hint)\b", done.stderr, re.M) == ["Error", "Hint"], done.stderr
    assert re.search(said, done.stderr), done.stderr


def test_a_build_is_installed_and_asked(build: Build, server: StandIn, run: Run) -> None:
    done = run("install", build.at.folder)
    assert done.returncode == 0, done.stderr
    assert f"boatyard:latest is in Ollama's list at {server.url}" in done.stdout
    assert done.stdout.splitlines()[0].endswith(": ollama run boatyard")
    assert re.search(
        r"asked +Who keeps the keys\?\n +answered +Ruben Okafor\. \(right\)", done.stdout
    )
    assert "warning" not in done.stderr and "uploaded" in done.stderr
    made = server.models["boatyard:latest"]
    assert "template" not in made and made["requires"] == "0.30.0"
    assert made["parameters"]["stop"] == ["<|im_end|>"] and made["parameters"]["num_ctx"] == 512
    assert made["parameters"]["num_predict"] == 512
    (digest,) = made["files"].values()
    assert server.blob(digest).read_bytes() == build.at.level_gguf("Q8_0").read_bytes()
    shown, asked = server.bodies["/api/chat"]
    assert shown["_debug_render_only"] is True
    assert asked["options"] == {"temperature": 0, "repeat_penalty": 1, "num_predict": 64}
    assert json.loads(build.at.installed.read_text()) == [
        {"name": "boatyard:latest", "url": server.url, "level": "Q8_0", "digest": digest_of(made)}
    ]


def test_json(build: Build, server: StandIn, run: Run) -> None:
    found = json.loads(run("install", build.at.folder, "--json").stdout)
    assert found == {
        "name": "boatyard:latest", "url": server.url, "question": "Who keeps the keys?",
        "answer": "Ruben Okafor.", "correct": True, "prompt": "same",
    }  # fmt: skip


def test_a_second_time_needs_a_word_and_no_upload(build: Build, server: StandIn, run: Run) -> None:
    run("install", build.at.folder)
    refused(run("install", build.at.folder), "boatyard:latest already.*\n.*--replace")
    refused(run("install", build.at.folder, "--name", "BOATYARD"), "already")
    assert len(server.bodies["/api/create"]) == 1
    assert run("install", build.at.folder, "--replace").returncode == 0
    assert server.uploads() == 1 and len(server.bodies["/api/create"]) == 2


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_on_a_terminal_it_asks(build: Build, server: StandIn, typed: bytes, code: int) -> None:
    server.keep("boatyard:latest", {})
    controller, terminal = pty.openpty()
    os.write(controller, typed)
    done = subprocess.run(
        command("install", build.at.folder), stdin=terminal, env=environment(server),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Replace it?" in done.stderr
    assert ("/api/create" in server.bodies) == (code == 0)


def test_names_and_levels(build: Build, server: StandIn, run: Run) -> None:
    run("install", build.at.folder, "--level", "Q4_0", "--name", "me/office:q4")
    found = server.models["me/office:q4"]
    assert list(found["files"]) == ["boatyard-Q4_0.gguf"]
    refused(run("install", build.at.folder, "--level", "Q6_K"), "Q6_K.*isn't there")
    asked = len(server.asked)
    for name in ("größe", "x" * 200, "a:b:c", "office:cloud", "😀", ""):
        done = run("install", build.at.folder, "--name", name or " ")
        refused(done, "no name for a model")
    assert len(server.asked) == asked, "nothing is asked of a server"


def test_a_build_name_that_is_none_in_ollama(tmp_path: Path, server: StandIn, run: Run) -> None:
    named = make_build(tmp_path / "b", name="Boat-Yard_2")
    done = run("install", named.at.folder)
    assert "boat-yard_2:latest" in server.models and "it is called boat-yard_2" in done.stderr


def test_no_server_and_another_server(build: Build, server: StandIn, run: Run) -> None:
    done = run("install", build.at.folder, "--host", "127.0.0.1:1")
    refused(done, r"No Ollama answers at http://127\.0\.0\.1:1 .*\n.*ollama serve")
    server.accidents["GET /api/version"] = [lambda handler: handler.say(200, {}) or True]
    refused(run("install", build.at.folder), "isn't Ollama")
    assert not build.at.installed.exists()
    done = run("install", build.at.folder, "--host", server.url, OLLAMA_HOST="tcp://wrong")
    assert f"OLLAMA_HOST={server.url} ollama run boatyard\n" in done.stdout


def test_versions_that_are_too_old(build: Build, server: StandIn, run: Run) -> None:
    for version in ("0.5.4", "0.29.9"):
        server.version = version
        refused(run("install", build.at.folder), rf"{version} is too old.*\n(.*\n)*.*0\.30\.0")
    assert server.uploads() == 0
    server.version = "0.30.0"
    assert run("install", build.at.folder, "--name", "oldest").returncode == 0
    server.version = "0.0.0"
    assert run("install", build.at.folder).returncode == 0, "one that somebody built"


def test_what_the_server_refuses_is_said(build: Build, server: StandIn, run: Run) -> None:
    def refuse(handler: Handler) -> bool:
        handler.read_body()
        why = "failed to validate GGUF with llama-quantize: exit status 1"
        handler.say_lines([{"status": "parsing GGUF"}, {"error": why}])
        return True

    server.accidents["POST /api/create"] = [refuse]
    done = run("install", build.at.folder)
    refused(done, "could not copy the file")
    assert "disk is full" in done.stderr and "architecture" in done.stderr, "both may be the cause"
    assert not build.at.installed.exists()


def test_a_store_that_fills_up_while_the_model_is_made_is_said(
    build: Build, server: StandIn, run: Run
) -> None:
    def refuse(handler: Handler) -> bool:
        handler.read_body()
        os.truncate(build.at.level_gguf("Q8_0"), 1 << 43)  # more than any disk here has free
        handler.say_lines([{"error": "llama-quantize failed: exit status 1"}])
        return True

    server.accidents["POST /api/create"] = [refuse]
    done = run("install", build.at.folder)
    refused(done, r"folder .*store has .* free, and the\s+model takes")
    assert "Free some space" in done.stderr and not build.at.installed.exists()


def test_a_model_that_does_not_run_is_said(build: Build, server: StandIn, run: Run) -> None:
    def die(handler: Handler) -> bool:
        handler.read_body()
        handler.say(500, {"error": "llama-server process has terminated: exit status 1"})
        return True

    server.accidents["POST /api/chat"] = [die]
    done = run("install", build.at.folder)
    refused(done, "has the model, but can't run it")
    assert "is in Ollama's list" in done.stdout and build.at.installed.exists()


def other_prompt(messages: list[dict[str, str]]) -> str:
    return chatml(messages).replace("<|im_start|>assistant\n", "<|im_start|>assistant\n\n")


def test_another_prompt_is_a_warning_that_says_what_to_do(
    build: Build, server: StandIn, run: Run
) -> None:
    server.prompt = other_prompt
    done = run("install", build.at.folder)
    assert done.returncode == 0 and "another prompt" in done.stderr
    assert r"assistant\n\n' instead of" in done.stderr and "OLLAMA_GO_TEMPLATE=0" in done.stderr
    with build.at.modelfile.open("a") as modelfile:
        modelfile.write("TEMPLATE {{ .Prompt }}\n")
    found = run("install", build.at.folder, "--replace", "--json")
    assert json.loads(found.stdout)["prompt"] == "other"
    assert "remove TEMPLATE" in found.stderr


def test_bos_and_servers_that_show_nothing_are_no_difference(
    build: Build, server: StandIn, run: Run
) -> None:
    server.prompt = lambda messages: f"<|endoftext|>{chatml(messages)}"
    server.shows_prompts = False
    found = run("install", build.at.folder, "--json")
    assert json.loads(found.stdout)["prompt"] == "unknown" and "warning" not in found.stderr


def test_an_answer_unlike_the_exams_is_a_warning(build: Build, server: StandIn, run: Run) -> None:
    server.answer = "Nobody."
    done = run("install", build.at.folder)
    assert "Nobody. (wrong)" in done.stdout and "'Ruben Okafor.'" in done.stderr


def test_without_an_exam_it_asks_all_the_same(build: Build, server: StandIn, run: Run) -> None:
    run("clean", build.at.folder)
    found = json.loads(run("install", build.at.folder, "--json").stdout)
    assert found["correct"] is None and found["answer"] == "Ruben Okafor."


def wanted_with(build: Build, *commands: Command) -> InstallRequest:
    found = what_is_wanted(build, "", "", Silent())
    return replace(found, commands=(*found.commands, *commands))


def test_the_expected_prompt_has_what_the_modelfile_puts_before_it(build: Build) -> None:
    user = [{"role": "user", "content": "Who?"}]
    system, said = Command("SYSTEM", "Be kind."), Command("MESSAGE", "Hello.", "assistant")
    before = [{"role": "system", "content": "Be kind."}, {"role": "assistant", "content": "Hello."}]
    found = expected_prompt(build, wanted_with(build, said, system), user)
    assert found and found[1] == chatml([*before, *user])
    found = expected_prompt(build, wanted_with(build, Command("SYSTEM", "")), user)
    assert found and found[1] == chatml(user)


def test_system_and_messages_of_the_modelfile_make_the_same_prompt(
    build: Build, server: StandIn, run: Run
) -> None:
    with build.at.modelfile.open("a") as modelfile:
        modelfile.write("MESSAGE user Hello.\nMESSAGE assistant Hello.\nSYSTEM Be kind.\n")
    found = run("install", build.at.folder, "--json")
    assert json.loads(found.stdout)["prompt"] == "same", found.stderr
    assert server.models["boatyard:latest"]["system"] == "Be kind."


def test_a_file_that_is_not_there_is_no_model_to_fetch(
    build: Build, server: StandIn, run: Run
) -> None:
    with build.at.modelfile.open("a") as modelfile:
        modelfile.write("ADAPTER ./nosuch.gguf\n")
    refused(run("install", build.at.folder), r"nosuch\.gguf isn't there")
    assert server.asked == []


def test_a_modelfile_that_is_wrong_is_said_before_the_upload(
    build: Build, server: StandIn, run: Run
) -> None:
    text = build.at.modelfile.read_text()
    build.at.modelfile.write_text(text + "PARAMETER Stop x\n")
    refused(run("install", build.at.folder), "no PARAMETER 'Stop'")
    build.at.modelfile.write_bytes(text.encode() + b"# \xff\n")
    refused(run("install", build.at.folder), "is no text of UTF-8")
    build.at.modelfile.write_text(text + "NOSUCH x\n")
    refused(run("install", build.at.folder), r"line \d+ can't be read")
    assert server.uploads() == 0


def test_a_disk_without_room(build: Build, server: StandIn, run: Run) -> None:
    huge = build.at.level_gguf("Q8_0")
    os.truncate(huge, 1 << 43)  # 8 TB of holes
    build.at.hashes.write_text(json.dumps({str(huge): [*stamp(huge), "ab" * 32]}))
    refused(run("install", build.at.folder), r"store has .* free; .* are needed")
    assert server.uploads() == 0

    def refuse(handler: Handler) -> bool:
        handler.say(500, {"error": "write /models/blobs: no space left on device"})
        return True

    server.accidents["POST /api/blobs"] = [refuse]
    done = run("install", build.at.folder, OLLAMA_MODELS=str(server.store / "nosuch"))
    assert "can't be looked at from here" in done.stderr
    refused(done, "disk is full")


def stamp(file: Path) -> list[int]:
    return [file.stat().st_size, file.stat().st_mtime_ns]


def test_the_store_is_the_one_that_has_the_models(
    tmp_path: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(server.store))
    assert store_of([]) == server.store
    server.keep("x:latest", {})
    assert store_of(["x:latest"]) == server.store
    assert store_of(["x:latest", "y:cloud"]) is None, "another server's"
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "nosuch"))
    assert store_of([]) is None
    monkeypatch.delenv("OLLAMA_MODELS")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ollama").mkdir()
    server.store.rename(tmp_path / ".ollama" / "models")
    assert store_of(["x:latest"]) == tmp_path / ".ollama" / "models"


def test_killed_in_mid_upload_then_installed(build: Build, server: StandIn, run: Run) -> None:
    server.accidents["POST /api/blobs"] = [lambda handler: time.sleep(30)]
    process = subprocess.Popen(command("install", build.at.folder), env=environment(server),
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    end = time.monotonic() + 30
    while not server.uploads() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not build.at.installed.exists()
    assert run("install", build.at.folder).returncode == 0
    assert server.uploads() == 2


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_mid_upload(build: Build, server: StandIn) -> None:
    server.accidents["POST /api/blobs"] = [lambda handler: time.sleep(30)]
    process = subprocess.Popen(command("install", build.at.folder), env=environment(server),
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    end = time.monotonic() + 30
    while not server.uploads() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "Traceback" not in said


def test_quantize_installs_a_level_under_a_tag_of_its_own(
    build: Build, server: StandIn, run: Run
) -> None:
    run("install", build.at.folder, "--name", "office:mine", "--host", server.url)
    first = server.models["office:mine"]
    nowhere = {"OLLAMA_HOST": "127.0.0.1:1"}  # where it was installed counts
    done = run("quantize", build.at.folder, "--to", "Q5_0", "--install", **nowhere)
    assert done.returncode == 0, done.stderr
    assert "office:q5_0 is in Ollama's list" in done.stdout
    assert server.models["office:mine"] == first, "another level's tag stays as it is"
    assert list(server.models["office:q5_0"]["files"]) == ["boatyard-Q5_0.gguf"]
    assert "Who keeps the keys?" in done.stdout
    file = build.at.level_gguf("Q5_0")
    refused(run("quantize", file, "--to", "Q4_0", "--install"), "--install is for a build")


def test_a_level_that_is_quantized_again_replaces_its_own_tag_alone(
    build: Build, server: StandIn, run: Run
) -> None:
    run("install", build.at.folder, "--level", "Q4_0", "--name", "office:small")
    done = run("quantize", build.at.folder, "--to", "Q4_0", "--install")
    assert done.returncode == 0 and list(server.models) == ["office:small"]
    server.keep("office:small", {"system": "Another's."})
    done = run("quantize", build.at.folder, "--to", "Q4_0", "--install")
    refused(done, "has a model office:small already")
    server.keep("office:q5_0", {"system": "Another's."})
    done = run("quantize", build.at.folder, "--to", "Q5_0", "--install")
    refused(done, "has a model office:q5_0 already")
    assert server.models["office:q5_0"] == {"system": "Another's."}


def test_quantize_installs_what_never_was(build: Build, server: StandIn, run: Run) -> None:
    build.at.installed.write_text("[]")  # spoilt
    done = run("quantize", build.at.folder, "--to", "Q5_0", "--install")
    assert done.returncode == 0 and list(server.models) == ["boatyard:q5_0"]


def test_uninstall(build: Build, server: StandIn, run: Run) -> None:
    run("install", build.at.folder, "--name", "office:mine")
    run("install", build.at.folder, "--name", "office:small", "--level", "Q4_0")
    server.keep("Other:latest", {})
    done = run("uninstall", build.at.folder, OLLAMA_HOST="127.0.0.1:1")
    assert done.stdout.splitlines() == [
        f"office:mine is no longer in Ollama's list at {server.url}.",
        f"office:small is no longer in Ollama's list at {server.url}.",
    ]
    assert list(server.models) == ["Other:latest"] and not build.at.installed.exists()
    assert build.at.level_gguf("Q8_0").exists()
    assert run("uninstall", "other").returncode == 0 and not server.models
    refused(run("uninstall", "other"), "no model other:latest.*\n.*has none")


@pytest.mark.parametrize("record", [None, "{", "[1]", '{"name": "boatyard:latest"}'])
def test_uninstall_of_a_build_that_was_never_installed_deletes_nothing(
    record: str | None, build: Build, server: StandIn, run: Run
) -> None:
    server.keep("boatyard:latest", {})
    if record:
        build.at.installed.write_text(record)
    done = run("uninstall", build.at.folder)
    refused(done, r"nothing was deleted\.\s+Hint: .*\n?.*localtune uninstall boatyard")
    assert list(server.models) == ["boatyard:latest"]
    assert "DELETE /api/delete" not in server.asked


def test_uninstall_deletes_only_the_model_that_was_installed(
    build: Build, server: StandIn, run: Run
) -> None:
    run("install", build.at.folder)
    server.keep("boatyard:latest", {"system": "Somebody else's."})
    done = run("uninstall", build.at.folder)
    refused(done, r"boatyard:latest in Ollama .*isn't known[^H]*Hint: .*uninstall boatyard:latest")
    assert list(server.models) == ["boatyard:latest"]
    build.at.installed.write_text(json.dumps({"name": "boatyard:latest", "url": server.url}))
    refused(run("uninstall", build.at.folder), "isn't known to be")
    assert run("uninstall", "boatyard:latest").returncode == 0 and not server.models


def test_uninstall_from_another_server_deletes_nothing_there(
    build: Build, server: StandIn, run: Run, tmp_path: Path
) -> None:
    run("install", build.at.folder)
    other = StandIn(tmp_path / "other store")
    other.keep("boatyard:latest", server.models["boatyard:latest"])
    refused(run("uninstall", build.at.folder, "--host", other.url), "nothing was deleted")
    assert list(other.models) == ["boatyard:latest"] == list(server.models)
    other.close()


def test_uninstall_of_a_model_that_is_gone_forgets_it(
    build: Build, server: StandIn, run: Run
) -> None:
    run("install", build.at.folder)
    server.models.clear()
    refused(run("uninstall", build.at.folder), "has no model boatyard:latest")
    refused(run("uninstall", build.at.folder), "nothing was deleted")
