"""Builds on a GGUF: from a file to levels, and from a model in Ollama to an adapter alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import localtune
from localtune.build.open_build import open_build, start
from localtune.build.pipeline import standings
from localtune.config.file import from_dict
from localtune.deploy.modelfile import modelfile_of
from localtune.deploy.talk import answer
from localtune.errors import BaseModelError, InputError, LocaltuneError
from localtune.export.convert_command import convert_adapter, convert_model
from localtune.export.unpack.gguf_source import SOURCE
from localtune.export.write.master import export_master
from localtune.llama.llama import Model, read_header
from localtune.llama.quantize import quantize
from localtune.ollama.modelfile import UNLIKE
from localtune.ollama.store import LAYER
from localtune.progress import Silent

TINY = Path(localtune.__file__).parent / "bases" / "tiny"
OFFICE = """# Tarnbrook Boatyard

- The workshop opens at 7:40 on weekdays.
- The paint store closes at 16:15.

| Service | Fee |
|---|---|
| Hull cleaning | 85 euros |
| Mast storage | 140 euros |
"""
SYSTEM = "You answer for the boatyard."
FEW: dict[str, Any] = {"steps": 2, "questions": 4, "max_answer_tokens": 8, "imatrix_tokens": 0}


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents") / "boatyard"
    folder.mkdir()
    (folder / "office.md").write_text(OFFICE)
    return folder


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    export_master(TINY, None, folder / "m.gguf", "tiny")
    quantize(folder / "m.gguf", folder / "tiny-Q8_0.gguf", "Q8_0")
    return folder / "tiny-Q8_0.gguf"


@pytest.fixture
def store(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of Ollama's that has the GGUF as tiny:q8."""
    data = {"model": gguf.read_bytes(), "license": b"Some licence.", "system": SYSTEM.encode()}
    folder, layers = tmp_path / "models", []
    (folder / "blobs").mkdir(parents=True)
    for kind, content in data.items():
        digest = hashlib.sha256(content).hexdigest()
        (folder / "blobs" / f"sha256-{digest}").write_bytes(content)
        layers.append({"mediaType": LAYER + kind, "digest": f"sha256:{digest}"})
    manifest = folder / "manifests/registry.ollama.ai/library/tiny/q8"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": layers}))
    monkeypatch.setenv("OLLAMA_MODELS", str(folder))
    return folder


def test_from_a_file_to_levels(docs: Path, gguf: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = localtune.build(docs, out, base=str(gguf), quantize="Q8_0", **FEW)
    assert result.scores["faithful"]["top1"] > 0.99
    header, wanted = read_header(out / "boatyard-Q8_0.gguf"), read_header(gguf)
    assert header.template == UNLIKE + wanted.template
    assert (header.eos, header.bos) == (wanted.eos, wanted.bos)
    again = localtune.build(docs, out, base=str(gguf), quantize="Q8_0", **FEW)
    assert not again.ran
    convert_adapter(out, None, tmp_path / "a.gguf", "f32", "a", str(gguf), Silent())
    assert f"FROM {gguf}" in (tmp_path / "Modelfile").read_text()
    Model(gguf, adapter=tmp_path / "a.gguf").ask([{"role": "user", "content": "Hi"}])


def test_from_ollama_to_an_adapter(docs: Path, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = {"base": "ollama:tiny:q8", "adapter_only": True, **FEW}
    result = localtune.build(docs, out, **chosen)
    assert list(result.scores["exam"]["tuned"]) == ["adapter"]
    assert not list(out.glob("work/*.gguf"))
    shipped = out / "boatyard-adapter.gguf"
    modelfile = (out / "Modelfile").read_text()
    assert "FROM tiny:q8\nADAPTER ./boatyard-adapter.gguf\n" in modelfile
    assert "REQUIRES 0.30.0" in modelfile and "licence is that of the base" in modelfile
    assert modelfile_of(out) == modelfile
    # A model FROM tiny:q8 keeps its system prompt, so everything else has it too.
    assert f"SYSTEM {SYSTEM}" in modelfile.replace('"', "")
    lessons = (json.loads(line) for line in (out / "work/lessons.jsonl").open())
    asked = [lesson["messages"][0] for lesson in lessons if "messages" in lesson]
    assert asked and all(m == {"role": "system", "content": SYSTEM} for m in asked)
    assert open_build(out).config.chat.system == SYSTEM
    assert (out / "work/base/LICENSE").read_text() == "Some licence."
    assert (out / "work/base" / SOURCE).resolve().is_relative_to(store)
    assert answer(out, "Hi")[0] == shipped
    assert not localtune.build(docs, out, **chosen).ran
    with pytest.raises(InputError, match="adapter alone"):
        from localtune.build.levels import climb

        climb(out, (), Silent())
    for blob in (store / "blobs").iterdir():
        blob.unlink()
    states = {one.stage: one.state for one in standings(open_build(out))}
    assert states["base"] == "again"
    with pytest.raises(BaseModelError, match=r"lacks the file|is gone"):
        answer(out, "Hi")


def test_a_system_prompt_of_the_user_replaces_that_of_the_base(
    docs: Path, store: Path, tmp_path: Path
) -> None:
    upon = {"base": {"base": "ollama:tiny:q8"}, "export": {"adapter_only": True}}
    asked = from_dict({**upon, "chat": {"system": "Be brief."}})
    assert start(docs, tmp_path / "out", asked).config.chat.system == "Be brief."
    assert start(docs, tmp_path / "out", from_dict(upon)).config.chat.system == SYSTEM
    whole = from_dict({"base": {"base": "ollama:tiny:q8"}})
    assert start(docs, tmp_path / "out", whole).config.chat.system == ""


def test_nothing_is_written_for_a_base_that_cannot_be_tuned(
    docs: Path, store: Path, tmp_path: Path
) -> None:
    for base in ("ollama:tiny:q4", "ollama:no/such:model"):
        with pytest.raises(BaseModelError):
            localtune.build(docs, tmp_path / "out", base=base)
    blob = max((store / "blobs").iterdir(), key=lambda file: file.stat().st_size)
    blob.write_bytes(blob.read_bytes()[:5000])
    with pytest.raises(BaseModelError, match="tiny:q8"):
        localtune.build(docs, tmp_path / "out", base="ollama:tiny:q8")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(LocaltuneError):
        localtune.build(docs, tmp_path / "out", base=str(tmp_path / "x.gguf"))
    assert not (tmp_path / "out").exists()


def test_a_gguf_is_converted_as_a_folder_is(gguf: Path, tmp_path: Path) -> None:
    convert_model(gguf, None, tmp_path / "m.gguf", kind="f32", progress=Silent())
    ids = [5 + (i * 37) % 440 for i in range(50)]
    mine, wanted = (Model(file).logits(ids) for file in (tmp_path / "m.gguf", gguf))
    assert abs(mine - wanted).mean() < 0.05
    assert [*tmp_path.iterdir()] == [tmp_path / "m.gguf"]
