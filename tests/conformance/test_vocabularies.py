"""Published vocabularies: the tokenizer's part of the GGUF is the script's, and splits text alike.

The .inp and .out files beside llama.cpp's vocabularies are its own texts and their token ids.
LOCALTUNE_TOKENIZERS may name a folder of more, one folder each.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import NASTY, TEXT
from gguf_fields import fields
from random_models import make_model
from real_vocabularies import BYTE_LEVEL, GEMMA, PIECED, write_vocabulary
from script_reference import Script, reference
from test_families import difference
from tokenizers import Tokenizer

from localtune.export.write.master import export_master
from localtune.llama.llama import Model

FOUND = os.environ.get("LOCALTUNE_TOKENIZERS", "")
GIVEN = sorted(p.parent for p in Path(FOUND).glob("*/tokenizer.json")) if FOUND else []
FAMILY = {"phi": "phi3", "gpt": "gpt2", "qwen": "qwen3", "mistral": "mistral"}


@pytest.fixture(scope="module", params=[*BYTE_LEVEL, *PIECED, GEMMA])
def published(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A vocabulary's name, and a folder with a random base that has it, exported."""
    source, name = reference(), request.param
    if source is None:
        pytest.skip("llama.cpp's vocabularies can't be fetched: no network")
    folder = tmp_path_factory.mktemp("vocabulary")
    size = write_vocabulary(source, name, folder / "tokenizer")
    family = BYTE_LEVEL[name][0] if name in BYTE_LEVEL else PIECED.get(name, "gemma4")
    make_base(folder, family, size, folder / "tokenizer")
    return name, folder


def make_base(folder: Path, family: str, size: int, tokenizer: Path) -> None:
    base = make_model(folder / "base", family, size)
    for file in tokenizer.iterdir():
        if file.name not in ("config.json", "generation_config.json"):
            shutil.copyfile(file, base / file.name)
    export_master(base, None, folder / "ours.gguf", "base")


def test_the_vocabulary_is_the_scripts(published: tuple[str, Path], script: Script) -> None:
    name, folder = published
    options = ["--no-mtp"] if name == "qwen35" else []
    theirs = script.convert(folder / "base", folder / "theirs.gguf", options=options)
    assert not difference(fields(folder / "ours.gguf"), fields(theirs))


def test_token_ids_are_llama_cpps_own(published: tuple[str, Path]) -> None:
    name, folder = published
    file = f"{reference()}/models/ggml-vocab-{name}.gguf"
    texts = Path(f"{file}.inp").read_text("utf-8").split("\n__ggml_vocab_test__\n")
    lines = Path(f"{file}.out").read_text().splitlines()
    model = Model(folder / "ours.gguf")
    bos = len(model.token_ids(""))
    for text, line in zip(texts, lines, strict=False):
        assert model.token_ids(text)[bos:] == list(map(int, line.split())), text


def test_token_ids_are_the_bases(published: tuple[str, Path]) -> None:
    name, folder = published
    if name in PIECED:
        pytest.skip("only a tokenizer.model, of which llama.cpp's own texts are the judge")
    tokenizer = Tokenizer.from_file(str(folder / "base" / "tokenizer.json"))
    model = Model(folder / "ours.gguf")
    for text in (*NASTY, *TEXT):
        assert model.token_ids(text) == tokenizer.encode(text).ids, text


@pytest.mark.parametrize("folder", GIVEN or [None], ids=str)
def test_more_vocabularies(folder: Path | None, script: Script, tmp_path: Path) -> None:
    if folder is None:
        pytest.skip("LOCALTUNE_TOKENIZERS names no folder of tokenizers")
    family = next((f for start, f in FAMILY.items() if folder.name.startswith(start)), "llama")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    make_base(tmp_path, family, tokenizer.get_vocab_size(), folder)
    pieced = not (folder / "tokenizer.model").exists() and "phi" in folder.name
    if not pieced:  # there the script wants a tokenizer.model
        theirs = script.convert(tmp_path / "base", tmp_path / "theirs.gguf")
        assert not difference(fields(tmp_path / "ours.gguf"), fields(theirs))
    model = Model(tmp_path / "ours.gguf")
    for text in TEXT:
        assert model.token_ids(text) == tokenizer.encode(text).ids, text
