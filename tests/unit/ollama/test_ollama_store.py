"""Ollama's store, made on the disk: names to files, and every reason why there is none."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from localtune.errors import BaseModelError
from localtune.ollama import store as ollama_store
from localtune.ollama.store import LAYER, find, names


def put(store: Path, kind: str, data: bytes) -> dict[str, object]:
    """Write a blob; return its layer of a manifest."""
    digest = hashlib.sha256(data).hexdigest()
    (store / "blobs").mkdir(parents=True, exist_ok=True)
    (store / "blobs" / f"sha256-{digest}").write_bytes(data)
    return {"mediaType": LAYER + kind, "digest": f"sha256:{digest}", "size": len(data)}


def add(store: Path, where: str, layers: dict[str, bytes]) -> Path:
    """Write a model; `where` is HOST/NAMESPACE/MODEL/TAG."""
    manifest = store / "manifests" / where
    manifest.parent.mkdir(parents=True, exist_ok=True)
    found = [put(store, kind, data) for kind, data in layers.items()]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": found}))
    return manifest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("OLLAMA_MODELS", str(folder))
    layers = {
        "model": b"GGUF small",
        "template": b"{{ .Prompt }}",
        "system": b"Be brief.",
        "license": b"Some licence.",
        "params": b'{"stop": ["<|end|>"], "temperature": 0.7}',
    }
    add(folder, "registry.ollama.ai/library/llama3.2/1b", layers)
    add(folder, "registry.ollama.ai/library/qwen3/latest", {"model": b"GGUF q"})
    add(folder, "registry.ollama.ai/ada/notes/v2", {"model": b"GGUF n"})
    add(folder, "hf.co/ada/Small-GGUF/Q4_K_M", {"model": b"GGUF h"})
    return folder


def test_all_that_a_manifest_names(store: Path) -> None:
    model = find("llama3.2:1b")
    assert model.gguf.read_bytes() == b"GGUF small"
    assert (model.template, model.system) == ("{{ .Prompt }}", "Be brief.")
    assert model.licence == "Some licence."
    assert model.parameters["stop"] == ["<|end|>"]
    assert not model.sees and not model.speaks_first


def test_messages_and_renderers_shape_every_prompt_of_a_model(store: Path) -> None:
    where = "registry.ollama.ai/library/talks/latest"
    add(store, where, {"model": b"GGUF t", "messages": b"[]"})
    assert find("talks").speaks_first
    manifest = add(store, where, {"model": b"GGUF t"})
    assert not find("talks").speaks_first
    for config, speaks in ((b'{"renderer": "qwen3"}', True), (b"{}", False), (b"\xff[", False)):
        layer = put(store, "config", config)
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "config": layer}))
        assert find("talks").speaks_first is speaks
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "config": []}))
    assert not find("talks").speaks_first


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("qwen3", b"GGUF q"),
        ("library/qwen3", b"GGUF q"),
        ("ada/notes:v2", b"GGUF n"),
        ("hf.co/ada/Small-GGUF:Q4_K_M", b"GGUF h"),
    ],
)
def test_names_as_ollama_takes_them(store: Path, name: str, data: bytes) -> None:
    assert find(name).gguf.read_bytes() == data


def test_names_as_ollama_lists_them(store: Path) -> None:
    wanted = ["hf.co/ada/Small-GGUF:Q4_K_M", "ada/notes:v2", "llama3.2:1b", "qwen3:latest"]
    assert names(store) == wanted


def test_a_model_that_is_not_there(store: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no model 'llama3\.2:3b'") as error:
        find("llama3.2:3b")
    assert "llama3.2:1b" in error.value.hint
    assert "ollama pull llama3.2:3b" in error.value.hint


@pytest.mark.parametrize("name", ["", "a/b/c/d", "../x", "x:", "a/../b", "x y", "/etc/passwd"])
def test_what_is_no_name(store: Path, name: str) -> None:
    with pytest.raises(BaseModelError):
        find(name)


def test_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ollama_store, "SERVICE", tmp_path / "service")
    with pytest.raises(BaseModelError, match="no store") as error:
        find("qwen3")
    assert str(tmp_path / ".ollama" / "models") in error.value.message
    assert str(tmp_path / "service") in error.value.message
    assert "OLLAMA_MODELS" in error.value.hint


def test_the_services_store_is_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ollama_store, "SERVICE", tmp_path / "service")
    add(tmp_path / "service", "registry.ollama.ai/library/qwen3/latest", {"model": b"service"})
    assert find("qwen3").gguf.read_bytes() == b"service"
    mine = tmp_path / ".ollama" / "models"
    add(mine, "registry.ollama.ai/library/qwen3/latest", {"model": b"mine"})
    assert find("qwen3").gguf.read_bytes() == b"mine"


def test_a_blob_that_is_gone(store: Path) -> None:
    find("qwen3").gguf.unlink()
    with pytest.raises(BaseModelError, match="lacks the file"):
        find("qwen3")


def test_an_adapter_or_two_models(store: Path) -> None:
    both = {"model": b"GGUF a", "adapter": b"GGUF lora"}
    add(store, "registry.ollama.ai/library/tuned/latest", both)
    with pytest.raises(BaseModelError, match="itself an adapter"):
        find("tuned")
    add(store, "registry.ollama.ai/library/empty/latest", {"template": b"x"})
    with pytest.raises(BaseModelError, match="0 model files"):
        find("empty")


def test_a_projector_is_told(store: Path) -> None:
    add(store, "registry.ollama.ai/library/sees/latest", {"model": b"G", "projector": b"P"})
    assert find("sees").sees


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"layers": 1}', '{"layers": [{}]}', "{"])
def test_a_broken_manifest(store: Path, text: str) -> None:
    (store / "manifests/registry.ollama.ai/library/qwen3/latest").write_text(text)
    with pytest.raises(BaseModelError):
        find("qwen3")


def test_a_folder_that_may_not_be_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    if os.geteuid():
        (store / "manifests").chmod(0)
    else:  # whom no mode keeps out
        monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(BaseModelError, match="Permission denied") as error:
        find("qwen3")
    (store / "manifests").chmod(0o700)
    assert "group" in error.value.hint
