"""Folders that others made: what is in them neither leads out of them nor stops a command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from localtune.bases.fetch import fetch_base
from localtune.build.job import Build
from localtune.build.open_build import open_build, read_documents, shipped, start
from localtune.build.pipeline import keep_settings, standings
from localtune.cli.main import cli
from localtune.config.stages import BaseConfig, BuildConfig, CorpusConfig
from localtune.corpus import Artefacts, read_corpus
from localtune.corpus.read.files import find_files
from localtune.corpus.read.reader import read_files
from localtune.corpus.read.readings import Readings
from localtune.deploy.modelfile import modelfile_of
from localtune.deploy.receipt import doubt
from localtune.errors import InputError, LocaltuneError
from localtune.lessons.ledger import Ledger
from localtune.progress import Silent
from localtune.workspace import Workspace, write_json, write_jsonl

SECRET = "Topsecretword lies outside.\n"
TEXT = "# Opening\n\nThe gate opens at nine.\n"
TINY = BaseConfig("tiny").folder()
assert TINY


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no command may read or change."""
    file = tmp_path / "outside.txt"
    file.write_text(SECRET)
    return file


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A build folder with its settings, as one that was just begun."""
    begun = Build(tmp_path / "docs", BuildConfig(), Workspace(tmp_path / "out", "yard"))
    begun.at.work.mkdir(parents=True)
    keep_settings(begun)
    return begun


def run(*args: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli, list(map(str, args)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_clean_does_not_follow_a_work_folder_that_is_a_link(build: Build, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.move(build.at.work, mine)
    (mine / "letters.txt").write_text("mine")
    build.at.work.symlink_to(mine)
    code, output = run("clean", build.at.folder)
    assert code == 1 and "work" in output and "link" in output
    assert (mine / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        *("work/.in-use", "work/.in-use.pid", "work/readings.jsonl", "work/ledgers/a.jsonl"),
        *("work/build.json", "work/checkpoints", "work/base", "work/base/LICENSE", "README.md"),
        *("Modelfile", "report.html", "work/checkpoints/.a.partial/in"),
    ],
)
@pytest.mark.parametrize("kind", ["link", "folder", "dangling", "pipe"])
def test_a_link_in_a_build_folder_is_refused(
    name: str, kind: str, build: Build, outside: Path, tmp_path: Path
) -> None:
    path = build.at.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        target = {"link": outside, "folder": tmp_path, "dangling": tmp_path / "new"}[kind]
        path.symlink_to(target)
    with pytest.raises(InputError, match=f"{path.name} is a link"), build.at.hold():
        pass
    with pytest.raises(InputError):
        open_build(build.at.folder)
    (tmp_path / "docs").mkdir()
    with pytest.raises(InputError):
        start(tmp_path / "docs", build.at.folder, BuildConfig())
    assert outside.read_text() == SECRET and not (tmp_path / "new").exists()


def test_a_build_folder_may_itself_be_a_link_and_its_base_may_link_to_weights(
    build: Build, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    for folder in (build.at.base, build.at.trained_upon):
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(tmp_path / "weights")
        (folder / "gone.gguf").symlink_to(tmp_path / "gone")
    (tmp_path / "link").symlink_to(build.at.folder)
    at = open_build(tmp_path / "link").at
    with at.hold():
        at.clean()
    assert (tmp_path / "weights").read_bytes() == b"weights"


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_what_is_changed_in_place_is_no_link(
    link: Callable[[Path, Path], None], outside: Path, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    ledger = Ledger(file)
    link(file, outside)
    with pytest.raises(InputError, match="link"):
        ledger.add("key", {})
    with pytest.raises(InputError, match="link"), Readings(file):
        pass
    outside.write_text("torn")
    with pytest.raises(InputError, match="link"):
        Ledger(file)
    assert outside.read_text() == "torn"


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_what_a_build_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(TEXT)
    before = os.umask(0)
    try:
        at = Workspace(tmp_path / "deep" / "out", "yard")
        with at.hold():
            write_jsonl(at.documents, [{"text": TEXT}])
            write_json(at.scores, {})
        read_documents(tmp_path / "docs", tmp_path / "read", CorpusConfig(), Silent())
        (tmp_path / "mine").mkdir()
        with Workspace(tmp_path / "mine", "yard").hold():
            pass
    finally:
        os.umask(before)
    assert modes(tmp_path)["read"] == modes(tmp_path / "deep")["out"] == 0o700
    assert modes(at.folder)["work"] == modes(tmp_path / "mine")["work"] == 0o700
    assert modes(tmp_path)["mine"] == modes(tmp_path)["deep"] == 0o777
    assert modes(at.work)["documents.jsonl"] == modes(at.work)["scores.json"] == 0o600
    assert set(modes(tmp_path / "read").values()) == {0o600}


def change_settings(build: Build, **changes: object) -> None:
    kept = json.loads(build.at.settings.read_text())
    build.at.settings.write_text(json.dumps({**kept, **changes}))


@pytest.mark.parametrize("name", ["../../x", "a'; touch x; '", "", ".", "a\n", "x/y", 7, ["a"]])
def test_a_name_in_a_build_folder_follows_the_rule_for_names(build: Build, name: object) -> None:
    change_settings(build, name=name)
    code, output = run("status", build.at.folder)
    assert code == 1 and "build.json" in output and "Hint:" in output


def test_levels_in_a_build_folder_lead_nowhere(build: Build) -> None:
    config = json.loads(build.at.settings.read_text())["config"]
    config["quantize"]["levels"] = ["/../../x"]
    change_settings(build, config=config)
    with pytest.raises(InputError, match=r"/\.\./\.\./x"):
        open_build(build.at.folder)


@pytest.mark.parametrize("settings", ["[]", "1", "{}", '{"name": "a"}', "[" * 100_000])
def test_settings_that_are_none_are_an_error(build: Build, settings: str) -> None:
    build.at.settings.write_text(settings)
    with pytest.raises(InputError, match=r"build\.json"):
        open_build(build.at.folder)


def test_a_path_that_cannot_be_printed_is_refused(build: Build) -> None:
    change_settings(build, documents="/docs\x1b[2J")
    with pytest.raises(InputError, match="printed"):
        open_build(build.at.folder)


@pytest.mark.parametrize("target", ["../outside.txt", "{}", "link.gguf"])
def test_a_modelfile_leads_to_files_of_its_folder_only(
    build: Build, outside: Path, target: str
) -> None:
    (build.at.folder / "link.gguf").symlink_to(outside)
    build.at.modelfile.write_text(f"FROM {target.format(outside)}\n")
    with pytest.raises(InputError, match="outside of the build folder"):
        shipped(build)


@pytest.mark.parametrize(
    "file", ["LICENSE", "LICENSE.bin", "README.md", "chat_template.jinja", "tokenizer_x.json"]
)
def test_a_base_leads_nowhere(file: str, outside: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(TINY, tmp_path / "base"))
    (base / file).unlink(missing_ok=True)
    (base / file).symlink_to(outside)
    try:
        fetched = fetch_base(BaseConfig(base=str(base)), tmp_path / "fetched")
        texts = [path.read_bytes() for path in fetched.iterdir()]
        texts.append(modelfile_of(base).encode())
    except LocaltuneError as error:
        assert file in error.message
    else:
        assert not any(SECRET.strip().encode() in text for text in texts)
    assert not list(tmp_path.glob(".*partial"))


def test_a_pipe_in_a_base_is_refused(tmp_path: Path) -> None:
    base = Path(shutil.copytree(TINY, tmp_path / "base"))
    os.mkfifo(base / "LICENSE.txt")
    with pytest.raises(InputError, match=r"LICENSE\.txt"):
        fetch_base(BaseConfig(base=str(base)), tmp_path / "fetched")


@pytest.mark.parametrize("inside", [True, False])
def test_a_snapshot_of_the_hubs_cache_links_to_its_own_blobs(
    inside: bool, outside: Path, tmp_path: Path
) -> None:
    repo = tmp_path / "hub" / "models--ada--small"
    (repo / "snapshots" / "main").mkdir(parents=True)
    shutil.copytree(TINY, repo / "blobs")
    (repo / "blobs" / "LICENSE").write_text("A licence.\n")
    for file in (repo / "blobs").iterdir():
        (repo / "snapshots" / "main" / file.name).symlink_to(f"../../blobs/{file.name}")
    if not inside:
        (repo / "blobs" / "LICENSE").unlink()
        (repo / "blobs" / "LICENSE").symlink_to(outside)
    chosen = BaseConfig(base=str(repo / "snapshots" / "main"))
    if inside:
        fetched = fetch_base(chosen, tmp_path / "fetched")
        assert (fetched / "LICENSE").read_text() == "A licence.\n"
        assert not (fetched / "config.json").is_symlink()
    else:
        with pytest.raises(InputError, match="LICENSE"):
            fetch_base(chosen, tmp_path / "fetched")


def test_a_document_that_becomes_a_link_is_not_read(tmp_path: Path) -> None:
    docs, elsewhere = tmp_path / "docs", tmp_path / "elsewhere"
    for folder, text in ((docs, TEXT), (elsewhere, SECRET)):
        for name in ("a.md", "stays.md", "swapped/b.md", "deep/c.md"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"# {name}\n\n{text} It is told in {name}.\n")
        shutil.make_archive(str(folder / "d"), "zip", folder / "deep")
    found = list(find_files(docs, 1_000_000))
    for name in ("a.md", "swapped", "deep/c.md", "d.zip"):
        (docs / name).rename(tmp_path / name.replace("/", "-"))
        (docs / name).symlink_to(elsewhere / name)
    reads = read_files(found, None, CorpusConfig(), Silent())
    failed = {read.found.name for read in reads if read.found.status == "failed"}
    assert failed == {"a.md", "swapped/b.md", "deep/c.md", "d.zip"}
    assert "Topsecret" not in repr(reads) and "stays.md" in repr(reads)


def test_a_link_to_another_document_is_still_read(tmp_path: Path) -> None:
    docs, out = tmp_path / "docs", Artefacts.below(tmp_path)
    (docs / "deep" / "down").mkdir(parents=True)
    (docs / "deep" / "down" / "notes").mkdir()
    (docs / "deep" / "down" / "notes" / "a.md").write_text(TEXT)
    (docs / "z.md").symlink_to("deep/down/notes/a.md")
    read_corpus(docs, out, CorpusConfig())
    rows = {row["path"]: row for row in map(json.loads, out.documents.read_text().splitlines())}
    assert rows["deep/down/notes/a.md"]["also"] == ["z.md"]
    assert rows["z.md"]["reason"] == "says the same as deep/down/notes/a.md"


def test_files_without_records_may_hold_private_data(build: Build) -> None:
    assert "records are gone" in doubt(build, ("Q4_K_M",))
    write_json(build.at.lock, {})
    assert "records are not" in doubt(build, ("Q4_K_M",))


def test_status_reads_no_more_than_it_may(build: Build, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(TEXT)
    at = build.at
    for path in (at.documents, at.passages, at.chats, at.removed):
        write_jsonl(path, [])
    entry = {"version": 0, "config": {}, "libraries": {}, "inputs": {}, "outputs": {}}
    write_json(at.lock, {"corpus": {"entry": entry, "seconds": 1.0}})
    with at.passages.open("wb") as sparse:
        sparse.truncate(1 << 40)
    found = {standing.stage: standing for standing in standings(build, 1_000_000)}
    assert found["corpus"].state == "unknown"
    assert "output work/passages.jsonl is too large to compare" in found["corpus"].why
    at.passages.write_bytes(b"")
    found = {standing.stage: standing for standing in standings(build, 1_000_000)}
    assert found["corpus"].state == "again"
    code, output = run("status", at.folder)
    assert code == 0 and "corpus" in output


@pytest.mark.parametrize("place", ["docs/a.md", "out/yard-Q4_K_M.gguf"])
def test_status_waits_for_no_pipe(build: Build, place: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    os.mkfifo(tmp_path / place)
    command = [sys.executable, "-m", "localtune", "status", str(build.at.folder)]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_leaves_no_temporary_folder(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    stairs = "\n".join(f"{' ' * i}- a" for i in range(6000))  # takes a reader a minute
    (tmp_path / "docs" / "stairs.md").write_text(stairs)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "localtune", "corpus", str(tmp_path / "docs")]
    process = psutil.Popen(
        command, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.DEVNULL
    )
    while not process.children() and process.poll() is None:
        time.sleep(0.01)
    assert list(scratch.iterdir())
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert not list(scratch.iterdir())
