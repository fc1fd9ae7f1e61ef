"""The Modelfile of a GGUF adapter, upon a GGUF or upon a model that Ollama has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import CHATML

from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.export.write.master import export_master
from localtune.ollama.adapter_modelfile import adapter_modelfile_text, write_adapter_modelfile
from localtune.ollama.modelfile import UNLIKE
from localtune.ollama.modelfile_grammar import Command, parse
from localtune.ollama.store import OllamaModel


def test_modelfile(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "base.gguf", "base")
    mine, modelfile = tmp_path / "office.gguf", tmp_path / "Modelfile"
    write_adapter_modelfile(mine, modelfile, tmp_path / "base.gguf")
    lines = modelfile.read_text().splitlines()
    assert {"FROM ./base.gguf", "ADAPTER ./office.gguf", "PARAMETER temperature 0"} <= set(lines)
    assert "# ollama create office -f Modelfile" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert "REQUIRES 0.30.0" in lines and not any(line.startswith("TEMPLATE") for line in lines)
    write_adapter_modelfile(mine, tmp_path / "sub" / "Modelfile", tmp_path / "base.gguf")
    assert f"FROM {tmp_path}/base.gguf\n" in (tmp_path / "sub" / "Modelfile").read_text()


def test_the_bases_licence_stands_there_once(base: Path, tmp_path: Path) -> None:
    """Ollama keeps the layers of a model that is named; of a file it knows nothing."""
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "office.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    said = Command("LICENSE", "Some licence.")
    assert said in parse(adapter_modelfile_text(*here, licence="Some licence."))
    upon = adapter_modelfile_text(*here, known=ollama(tmp_path), licence="Some licence.")
    assert Command("FROM", "tiny:q8") in parse(upon) and said not in parse(upon)


def ollama(folder: Path, **more: Any) -> OllamaModel:
    plain: dict[str, Any] = {"template": "", "system": "", "licence": "", "parameters": {}}
    return OllamaModel("tiny:q8", folder / "base.gguf", **{**plain, "sees": False, **more})


def test_a_base_that_speaks_first_is_taken_as_a_file(base: Path, tmp_path: Path) -> None:
    """What a model of that name puts before a conversation couldn't be removed."""
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "office.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    found = parse(adapter_modelfile_text(*here, known=ollama(tmp_path, speaks_first=True)))
    assert Command("FROM", "./base.gguf") in found


def test_a_go_template_of_the_base_is_not_inherited(base: Path, tmp_path: Path) -> None:
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "office.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    found = parse(adapter_modelfile_text(*here, known=ollama(tmp_path, template="{{ .Prompt }}")))
    assert Command("FROM", "./base.gguf") in found
    assert Command("FROM", "tiny:q8") in parse(
        adapter_modelfile_text(*here, known=ollama(tmp_path))
    )


def test_parameters_of_the_base_are_kept_or_undone(base: Path, tmp_path: Path) -> None:
    """A limit of the base's own stays; a penalty would change answers that the exam graded."""
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "office.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    given = {"num_predict": 99, "presence_penalty": 1.5, "top_k": 20}
    found = parse(adapter_modelfile_text(*here, known=ollama(tmp_path, parameters=given)))
    assert not [c for c in found if c.key in ("num_predict", "frequency_penalty", "top_k")]
    assert Command("PARAMETER", "0", "presence_penalty") in found
    for limit in (-1, "x", None):
        known = ollama(tmp_path, parameters={"num_predict": limit})
        found = parse(adapter_modelfile_text(*here, known=known, lesson_tokens=100))
        assert Command("PARAMETER", "256", "num_predict") in found


def test_modelfile_upon_a_model_of_ollama(tmp_path: Path) -> None:
    write_adapter_modelfile(tmp_path / "office.gguf", tmp_path / "Modelfile", "qwen2.5:0.5b")
    text = (tmp_path / "Modelfile").read_text()
    assert "FROM qwen2.5:0.5b\nADAPTER ./office.gguf\n" in text
    assert "REQUIRES 0.30.0\n" in text
    assert "TEMPLATE" not in text and "stop" not in text.replace("stops", "")
    assert "PARAMETER num_predict 4096\n" in text


def test_another_template_than_the_bases_is_refused(base: Path, tmp_path: Path) -> None:
    """Ollama would render the one in the base's GGUF."""
    export_master(base, None, tmp_path / "base.gguf", "base")
    here = (tmp_path / "a.gguf", tmp_path / "Modelfile", tmp_path / "base.gguf")
    write_adapter_modelfile(*here, template=CHATML)
    export_master(base, None, tmp_path / "base.gguf", "base", comment=UNLIKE)
    write_adapter_modelfile(*here, template=CHATML)
    with pytest.raises(RuntimeFileError, match="another chat template"):
        write_adapter_modelfile(*here, template=PLAIN_TEMPLATE)
