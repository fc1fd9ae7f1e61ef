"""Bases on this machine: in a Hub cache, Ollama's store and packages made in the test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from localtune.bases import catalogue
from localtune.bases.catalogue import CatalogueEntry, entries
from localtune.bases.fetch import cached, commit_of, fetch_base
from localtune.config.stages import BaseConfig
from localtune.estimate import local_bases
from localtune.estimate.local_bases import LocalBase

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "ada/Little-6M-Instruct"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide what this machine has, and add a base of the built-in one's shape to the catalogue."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    listed = catalogue.FILE.read_text(encoding="utf-8")
    tiny = listed.split("[[base]]\n")[1]
    little = tiny.replace('id = "tiny"', f'id = "{NAME}"\nollama = "little"')
    (tmp_path / "catalogue.toml").write_text(f"{listed}\n[[base]]\n{little}", encoding="utf-8")
    monkeypatch.setattr(catalogue, "FILE", tmp_path / "catalogue.toml")
    entries.cache_clear()
    yield
    entries.cache_clear()


def in_hub(folder: Path, name: str, files: list[Path]) -> None:
    """Lay files into a Hub cache as a download does."""
    repo = folder / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "blobs").mkdir()
    for number, file in enumerate(files):
        blob = repo / "blobs" / f"{number:064x}"
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)


def in_package(site: Path, gguf: Path, name: str) -> Path:
    """Install a package that holds a GGUF file, as pip does."""
    about = site / "llm_little-1.0.dist-info"
    (site / "llm_little").mkdir(parents=True)
    about.mkdir()
    shutil.copy(gguf, site / "llm_little" / name)
    (site / "llm_little" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: llm-little\nVersion: 1.0\n")
    (about / "RECORD").write_text(f"llm_little/__init__.py,,\nllm_little/{name},,\n")
    return site / "llm_little" / name


def in_ollama(store: Path, gguf: Path, where: str) -> None:
    blob = store / "blobs" / f"sha256-{'a' * 64}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(gguf, blob)
    manifest = store / "manifests" / "registry.ollama.ai" / where
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{'a' * 64}"}
    manifest.write_text(json.dumps({"layers": [layer]}))


def tiny_files() -> list[Path]:
    folder = BaseConfig("tiny").folder()
    assert folder
    return [file for file in folder.iterdir() if file.is_file()]


def found() -> dict[str, LocalBase]:
    return local_bases.local_bases()


def test_a_machine_without_bases_has_none() -> None:
    assert found() == {}


def test_a_whole_base_in_the_hub_cache_is_found_with_its_commit(tmp_path: Path) -> None:
    in_hub(tmp_path, NAME, tiny_files())
    (base,) = found().values()
    assert (base.base, base.revision, base.place) == (NAME, COMMIT, "the Hub's cache")
    assert base.entry.id == NAME and base.bytes > 11e6


def test_a_download_that_was_cut_off_is_no_base(tmp_path: Path) -> None:
    in_hub(tmp_path, NAME, tiny_files())
    snapshot = tmp_path / "hub" / "models--ada--Little-6M-Instruct" / "snapshots" / COMMIT
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert cached(BaseConfig(NAME)) is None and found() == {}


def test_a_gguf_in_the_hub_cache_is_known_by_name_and_shape(
    tmp_path: Path, tiny_gguf: Path
) -> None:
    named = tmp_path / "little-6m-instruct-q8_0.gguf"
    shutil.copy(tiny_gguf, named)
    in_hub(tmp_path, "ada/x-GGUF", [named])
    in_hub(tmp_path, "ada/y-GGUF", [tiny_gguf])  # the shape alone may be another model's
    (base,) = found().values()
    assert base.entry.id == NAME and Path(base.base).name == named.name


def test_a_model_of_ollamas_library_is_found_by_its_name(tmp_path: Path, tiny_gguf: Path) -> None:
    in_ollama(tmp_path / "ollama", tiny_gguf, "library/little/6m")
    in_ollama(tmp_path / "ollama", tiny_gguf, "library/little/../handbook/latest")
    (base,) = found().values()
    assert (base.base, base.entry.id, base.place) == ("ollama:little:6m", NAME, "Ollama")


def test_a_model_of_ollamas_that_was_not_tuned_to_instructions_is_none(
    tmp_path: Path, tiny_gguf: Path
) -> None:
    in_ollama(tmp_path / "ollama", tiny_gguf, "library/little/6m-text-q8_0")
    assert found() == {}


def test_a_package_is_read_and_never_imported(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = in_package(tmp_path / "site", tiny_gguf, "Little-6M-Instruct.Q8_0.gguf")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (base,) = found().values()
    assert (base.base, base.place) == (str(file), "the package llm-little")
    assert base.entry.id == NAME and base.bytes == tiny_gguf.stat().st_size


def test_a_package_may_hold_a_base_that_the_catalogue_does_not_know(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_package(tmp_path / "site", tiny_gguf, "other.gguf")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (base,) = found().values()
    assert base.entry.id == "other" and base.entry.parameters == 5_770_496
    assert base.entry.knows(["en"]) and not base.entry.knows(["de"])  # as its header says


def test_a_package_without_a_usable_model_is_passed_over(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = in_package(tmp_path / "site", tiny_gguf, "Little-6M-Instruct.gguf")
    file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert found() == {}


def test_of_several_copies_the_largest_is_taken(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_package(tmp_path / "site", tiny_gguf, "Little-6M-Instruct.Q8_0.gguf")
    monkeypatch.syspath_prepend(tmp_path / "site")
    in_hub(tmp_path, NAME, tiny_files())
    assert found()[NAME].place == "the Hub's cache"


def test_a_commit_that_is_here_is_taken_without_asking_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    in_hub(tmp_path, NAME, tiny_files())
    assert commit_of(BaseConfig(NAME, offline=True)) == COMMIT
    assert commit_of(BaseConfig("ada/nowhere", offline=True)) == ""
    fetch_base(BaseConfig(NAME, revision=COMMIT), tmp_path / "base")
    assert (tmp_path / "base" / "model.safetensors").exists()


def test_languages_are_those_of_the_catalogue() -> None:
    def knows(name: str, *languages: str) -> bool:
        entry = next(entry for entry in entries() if entry.id == name)
        return bool(entry.knows(languages))

    assert knows("HuggingFaceTB/SmolLM2-135M-Instruct", "en")
    assert not knows("HuggingFaceTB/SmolLM2-135M-Instruct", "en", "de")
    assert knows("Qwen/Qwen3-0.6B", "en", "de") and not knows("Qwen/Qwen3-0.6B", "am")
    assert knows("google/gemma-3-270m-it", "am")
    assert CatalogueEntry("x", 1, "", "", {}).knows([])
