"""The Modelfile of a GGUF adapter, upon a GGUF or upon a model that Ollama has."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CHATML

from localtune.config import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.export.master import export_master
from localtune.runtimes.adapter_modelfile import adapter_modelfile_text, write_adapter_modelfile
from localtune.runtimes.modelfile_grammar import Command, parse


def test_modelfile(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "base.gguf", "base")
    mine, modelfile = tmp_path / "office.gguf", tmp_path / "Modelfile"
    write_adapter_modelfile(mine, modelfile, tmp_path / "base.gguf")
    lines = modelfile.read_text().splitlines()
    assert {"FROM ./base.gguf", "ADAPTER ./office.gguf", "PARAMETER temperature 0"} <= set(lines)
    assert "# ollama create office -f Modelfile" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert "<|im_start|>user" in modelfile.read_text()
    write_adapter_modelfile(mine, tmp_path / "sub" / "Modelfile", tmp_path / "base.gguf")
    assert f"FROM {tmp_path}/base.gguf\n" in (tmp_path / "sub" / "Modelfile").read_text()


def test_the_bases_licence_stands_there_once(base: Path, tmp_path: Path) -> None:
    """Ollama keeps the layers of a model that is named; of a file it knows nothing."""
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "office.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    said = Command("LICENSE", "Some licence.")
    assert said in parse(adapter_modelfile_text(*here, licence="Some licence."))
    upon = adapter_modelfile_text(*here, name="tiny:q8", licence="Some licence.")
    assert Command("FROM", "tiny:q8") in parse(upon) and said not in parse(upon)


def test_modelfile_upon_a_model_of_ollama(tmp_path: Path) -> None:
    write_adapter_modelfile(tmp_path / "office.gguf", tmp_path / "Modelfile", "qwen2.5:0.5b")
    text = (tmp_path / "Modelfile").read_text()
    assert "FROM qwen2.5:0.5b\nADAPTER ./office.gguf\n" in text
    assert "TEMPLATE" not in text and "stop" not in text.replace("stops", "")


def test_modelfile_with_a_template_of_its_own(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "base.gguf", "base")
    mine, modelfile, gguf = tmp_path / "a.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf"
    write_adapter_modelfile(mine, modelfile, gguf, template=PLAIN_TEMPLATE)
    assert "<|im_start|>" not in modelfile.read_text().partition("TEMPLATE")[2].partition('"""')[2]
    assert "isn't the base's own" in modelfile.read_text()
    odd = CHATML + "{% if messages | length > 3 %}long{% endif %}"
    with pytest.raises(RuntimeFileError, match="template"):
        write_adapter_modelfile(mine, modelfile, gguf, template=odd)
