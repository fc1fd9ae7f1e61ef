"""The build folder: names, whole files, one process at a time."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localtune.build.hashes import ABSENT, Hashes
from localtune.errors import BuildInUseError, DiskFullError, InputError
from localtune.workspace import (
    Workspace,
    atomic_path,
    no_room_is_an_error,
    read_json,
    read_jsonl,
    size_of,
    write_json,
    write_jsonl,
)


def test_paths_are_those_of_the_design(tmp_path: Path) -> None:
    at = Workspace(tmp_path, "handbook")
    assert at.modelfile == tmp_path / "Modelfile"
    assert at.level_gguf("Q4_K_M") == tmp_path / "handbook-Q4_K_M.gguf"
    assert at.master == tmp_path / "work" / "handbook-BF16.gguf"
    assert at.scores == tmp_path / "work" / "scores.json"


def test_atomic_path_gives_the_whole_file_or_none(tmp_path: Path) -> None:
    target = tmp_path / "a" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(ValueError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_atomic_path_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    for text in ("first", "second"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_jsonl_goes_there_and_back(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "Zoë – 5 €\u2028"}, {"id": "2", "text": "two\nlines"}]
    assert write_jsonl(tmp_path / "rows.jsonl", iter(rows)) == 2
    assert list(read_jsonl(tmp_path / "rows.jsonl")) == rows


def test_read_json_says_what_to_do_about_a_spoilt_file(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(InputError, match=r"scores\.json"):
        read_json(tmp_path / "scores.json")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_a_message(tmp_path: Path, code: int) -> None:
    with pytest.raises(DiskFullError, match="no room"), no_room_is_an_error(tmp_path):
        raise OSError(code, os.strerror(code))


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file of this process grow beyond 4096 bytes: a full disk without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:  # before the test ends: pytest's own output may go to a large file
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", [1])
    with pytest.raises(DiskFullError), small_files():
        write_json(tmp_path / "value.json", list(range(10_000)))
    assert read_json(tmp_path / "value.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


HOLD = """
import sys, time
from pathlib import Path
from localtune.workspace import Workspace
with Workspace(Path(sys.argv[1]), "x").hold():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout and other.stdout.readline() == "held\n"
    at = Workspace(tmp_path, "x")
    with pytest.raises(BuildInUseError, match=f"process {other.pid}"), at.hold():
        pass
    other.kill()
    other.wait()
    with at.hold():
        pass


def test_hold_removes_what_a_killed_build_left(tmp_path: Path) -> None:
    at = Workspace(tmp_path, "x")
    litter = at.work / "checkpoints" / ".model.1234.partial"
    litter.mkdir(parents=True)
    (at.folder / ".x-Q4_K_M.gguf.1234.partial").write_text("half")
    with at.hold():
        assert not litter.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_clean_keeps_what_a_person_uses_and_follows_no_link(tmp_path: Path) -> None:
    at, mine = Workspace(tmp_path / "out", "x"), tmp_path / "mine.safetensors"
    mine.write_bytes(b"x" * 1000)
    at.base.mkdir(parents=True)
    (at.base / "model.safetensors").symlink_to(mine)
    for path in (at.modelfile, at.settings, at.exam):
        path.write_text("{}")
    assert at.clean() == size_of(at.settings) + len(str(mine))
    assert mine.exists() and at.modelfile.exists() and at.settings.exists()
    assert not at.exam.exists() and not at.base.exists()


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.txt", tmp_path / "hashes.json"
    file.write_text("one")
    hashes = Hashes(cache)
    first = hashes.file(file)
    hashes.save()
    stat = file.stat()
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Hashes(cache).file(file) == first, "same size and time: not read again"
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert Hashes(cache).file(file) != first
    assert hashes.file(tmp_path / "none") == ABSENT


def test_a_tree_is_its_visible_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = Hashes().tree(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("x")
    assert Hashes().tree(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert Hashes().tree(tmp_path) != before
