"""`localtune push` against a stand-in that speaks the Hub's HTTP API: what goes up, and how."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import Hub, Repo

pytest_plugins = ["office_build"]

FILES = ["README.md", "office-Q4_K_M.gguf", "office-Q8_0.gguf", "params"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def copy(office: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(office, tmp_path / "copy", symlinks=True))


def environment(url: str, token: str, home: Path) -> dict[str, str]:
    # Xet, which the Hub itself uses, has a protocol of its own; LFS is the other way up.
    hub = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": token}
    return {**os.environ, **hub, "HF_HUB_DISABLE_TELEMETRY": "1"}


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "localtune", "push", *map(str, args)]


def push(
    hub: Hub | str, *args: str | Path, token: str = "hf_writer"
) -> subprocess.CompletedProcess[str]:
    url = hub if isinstance(hub, str) else hub.url
    home = Path(args[0]).parent / "hf"
    env = environment(url, token, home)
    return subprocess.run(command(*args), capture_output=True, text=True, timeout=90, env=env)


def refused(done: subprocess.CompletedProcess[str], about: str) -> None:
    assert done.returncode == 1, done.stderr
    assert re.findall(r"^(Error|Hint|Traceback)\b", done.stderr, re.M) == ["Error", "Hint"]
    assert about in done.stderr, done.stderr


def metadata(card: bytes) -> dict[str, object]:
    return dict(yaml.safe_load(card.decode().split("---\n")[1]))


def test_a_push_uploads_these_files_and_no_others(hub: Hub, copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    done = push(hub, copy, "ada/office")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.url}/ada/office"
    repo = hub.repos["ada/office"]
    assert repo.private and sorted(repo.files) == FILES
    for name in FILES[1:3]:
        assert repo.files[name] == (copy / name).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()} == before


def test_the_card_and_ollamas_files_are_what_the_hub_reads(hub: Hub, copy: Path) -> None:
    assert push(hub, copy, "ada/office", "--level", "Q8_0").returncode == 0
    files = hub.repos["ada/office"].files
    assert sorted(files) == [name for name in FILES if "Q4_K_M" not in name]
    card = files["README.md"].decode()
    data = metadata(files["README.md"])
    assert data["license"] == "apache-2.0" and data["pipeline_tag"] == "text-generation"
    assert "base_model" not in data and "localtune" in data["tags"]  # type: ignore[operator]
    assert "ollama run hf.co/ada/office:Q8_0" in card and "llama-server -hf" in card
    assert "| licence | `apache-2.0`" in card and "| base | `tiny`" in card
    assert "| made by | localtune" in card and "office-Q8_0.gguf` (" in card
    assert str(copy) not in card and "-f Modelfile" not in card and "report.html" not in card
    assert json.loads(files["params"]) == {
        "stop": ["<|im_end|>"], "temperature": 0, "repeat_penalty": 1, "num_ctx": 512,
        "num_predict": 256,
    }  # fmt: skip


def test_a_dry_run_lists_sizes_and_asks_nobody(copy: Path) -> None:
    done = push("http://127.0.0.1:9", copy, "ada/office", "--dry-run", token="")
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^ *([\d,]+) bytes  (.+)$", done.stdout, re.M)
    assert sorted(name for _, name in listed) == FILES
    sizes = {name: int(n.replace(",", "")) for n, name in listed}
    assert sizes["office-Q8_0.gguf"] == (copy / "office-Q8_0.gguf").stat().st_size


def test_a_second_push_sends_nothing_and_a_changed_card_only_that(hub: Hub, copy: Path) -> None:
    assert push(hub, copy, "ada/office").returncode == 0
    hub.asked.clear()
    again = push(hub, copy, "ada/office")
    assert again.returncode == 0 and "there already" in again.stderr
    assert not [call for call in hub.asked if "PUT" in call or "/commit/" in call]
    card = copy / "README.md"
    card.write_text(card.read_text().replace("tags:", "license: mit\ntags:") + "\nAsk Ada.\n")
    assert push(hub, copy, "ada/office").returncode == 0
    assert not [call for call in hub.asked if "PUT" in call]
    shown = hub.repos["ada/office"].files["README.md"]
    assert shown.endswith(b"Ask Ada.\n") and metadata(shown)["license"] == "mit"


@pytest.mark.usefixtures("interruptible")
def test_an_upload_that_is_stopped_goes_on(hub: Hub, copy: Path) -> None:
    sums = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copy.glob("*.gguf")
    }
    hub.stuck = sums["office-Q8_0.gguf"]
    env = environment(hub.url, "hf_writer", copy.parent / "hf")
    process = subprocess.Popen(
        command(copy, "ada/office"), env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        assert hub.reached.wait(60)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in said, said
    assert hub.repos["ada/office"].files == {}
    sent = set(hub.store)
    hub.stuck = ""
    hub.asked.clear()
    assert push(hub, copy, "ada/office").returncode == 0
    put = {call.rpartition("/")[2] for call in hub.asked if call.startswith("PUT")}
    assert (
        sent and put == set(sums.values()) - sent and sorted(hub.repos["ada/office"].files) == FILES
    )


def test_what_was_made_with_private_data_is_refused(hub: Hub, copy: Path) -> None:
    lock = copy / "work" / "lock.json"
    kept = json.loads(lock.read_text())
    kept["corpus"]["entry"]["config"]["keep_private"] = True
    lock.write_text(json.dumps(kept))
    refused(push(hub, copy, "ada/office"), "--keep-private")
    assert hub.asked == []
    listed = push(hub, copy, "ada/office", "--dry-run")
    assert listed.returncode == 0 and "--yes-private-data" in listed.stderr
    assert push(hub, copy, "ada/office", "--yes-private-data").returncode == 0
    assert (
        b"| private data | may be in it: they were made with --keep-private |"
        in hub.repos["ada/office"].files["README.md"]
    )


def test_a_build_whose_records_are_gone_needs_consent(hub: Hub, copy: Path) -> None:
    subprocess.run([sys.executable, "-m", "localtune", "clean", str(copy)], check=True, timeout=60)
    refused(push(hub, copy, "ada/office"), "records are gone")
    assert hub.asked == []
    assert push(hub, copy, "ada/office", "--yes-private-data").returncode == 0
    assert sorted(hub.repos["ada/office"].files) == FILES


def test_a_file_that_the_records_do_not_cover_needs_consent(hub: Hub, copy: Path) -> None:
    file = copy / "office-Q8_0.gguf"
    status = file.stat()
    other = bytearray(file.read_bytes())
    other[-1] ^= 1
    file.write_bytes(other)  # of an older build, say, with the size and time that are remembered
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    refused(push(hub, copy, "ada/office"), "records are not those of these files")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["README.md", "Modelfile", "office-Q8_0.gguf"])
def test_a_link_is_not_pushed(hub: Hub, copy: Path, name: str) -> None:
    outside = copy.parent / "outside"
    shutil.move(copy / name, outside)
    (copy / name).symlink_to(outside)
    refused(push(hub, copy, "ada/office", "--yes-private-data"), name)
    assert hub.asked == []


def test_records_of_other_files_are_no_receipt(hub: Hub, copy: Path) -> None:
    lock = copy / "work" / "lock.json"
    kept = json.loads(lock.read_text())
    kept["lessons"]["entry"]["outputs"]["work/lessons.jsonl"] = "0" * 64  # made anew, not trained
    lock.write_text(json.dumps(kept))
    refused(push(hub, copy, "ada/office"), "records")
    (copy / "work" / "build.json").write_text(
        (copy / "work" / "build.json")
        .read_text()
        .replace('"keep_private": false', '"keep_private": true')
    )
    lock.unlink()
    refused(push(hub, copy, "ada/office"), "--keep-private")


def test_a_base_of_the_hub_is_named_and_a_local_one_shows_no_path(hub: Hub, copy: Path) -> None:
    settings = copy / "work" / "build.json"
    text = settings.read_text()
    card = (copy / "README.md").read_text()
    for base, shown in (("org/Small-1B", "org/Small-1B"), (str(copy.parent), None)):
        settings.write_text(text.replace('"base": "tiny"', f'"base": "{base}"'))
        (copy / "README.md").write_text(card.replace("tiny", base))
        assert push(hub, copy, "ada/office").returncode == 0
        pushed = hub.repos["ada/office"].files["README.md"]
        assert metadata(pushed).get("base_model") == shown
        assert str(copy.parent).encode() not in pushed


def test_names_that_cannot_be_are_refused_before_anything_is_asked(hub: Hub, copy: Path) -> None:
    for name in ("office", "ada/of fice", "a/b/c", "ada/-x-", "ada/x.git"):
        refused(push(hub, copy, name), name)
    refused(push(hub, copy, "ada/office", "--level", "Q5_K_M"), "Q5_K_M")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("token", "about"),
    [("", "no token"), ("hf_unknown", "doesn't know"), ("hf_reader", "may only read")],
)
def test_tokens_that_cannot_write_are_said(hub: Hub, copy: Path, token: str, about: str) -> None:
    refused(push(hub, copy, "ada/office", token=token), about)
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("call", "refusal", "about"),
    [
        ("POST .*/repos/create", (403, "You don't have the rights"), "can't write to ada/office"),
        ("POST .*/commit/main", (403, "Private repository storage limit reached"), "no room"),
        ("PUT /lfs/", (403, "Forbidden"), "can't write"),
        ("POST .*/commit/main", (412, "A commit has happened since"), "could not take"),
        ("POST .*/validate-yaml", (400, "bad"), "refuses"),
    ],
)
def test_what_the_hub_refuses_is_one_message(
    hub: Hub, copy: Path, call: str, refusal: tuple[int, str], about: str
) -> None:
    hub.refuses[call] = refusal
    refused(push(hub, copy, "ada/office"), about)


def test_another_ones_repository_and_no_network_are_said(hub: Hub, copy: Path) -> None:
    refused(push(hub, copy, "bob/office"), "can't write to bob/office")
    refused(push("http://127.0.0.1:9", copy, "ada/office"), "can't be reached")


def test_a_public_repository_takes_a_public_word(hub: Hub, copy: Path) -> None:
    hub.repos["ada/office"] = Repo(private=False)
    refused(push(hub, copy, "ada/office"), "public")
    assert hub.repos["ada/office"].files == {}
    assert push(hub, copy, "ada/office", "--public").returncode == 0
    assert push(hub, copy, "ada/other", "--public").returncode == 0
    assert not hub.repos["ada/other"].private
    hub.repos["ada/closed"] = Repo(private=True)
    done = push(hub, copy, "ada/closed", "--public")
    assert done.returncode == 0 and "stays so" in done.stderr
