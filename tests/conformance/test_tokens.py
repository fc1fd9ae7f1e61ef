"""The GGUF's tokenizer splits text as the base's own does, whatever the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import KINDS, NASTY, TEXT, make_base, real_models
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from localtune.errors import ExportError
from localtune.export.write.master import export_master
from localtune.llama.llama import Model

SPECIAL = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>")


@pytest.fixture(scope="module", params=list(KINDS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, Model]:
    """The tokenizer of a base, and its GGUF loaded."""
    folder = tmp_path_factory.mktemp("tokens")
    base = make_base(folder / "base", request.param)
    export_master(base, None, folder / "m.gguf", "m")
    return Tokenizer.from_file(str(base / "tokenizer.json")), Model(folder / "m.gguf")


def wanted(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def difference(tokenizer: Tokenizer, text: str) -> str:
    """Say why llama.cpp's SentencePiece, which follows Google's, splits a text otherwise; or "".

    No prompt of ours is such a text, and the build's own check would refuse one that is.
    """
    kind = type(tokenizer.pre_tokenizer).__name__
    if kind == "Metaspace" and any(special in text for special in SPECIAL):
        return "Metaspace puts no space after a special token"
    if kind == "Metaspace" and text[:1] in (" ", "▁"):
        return "Metaspace puts no space before a space"
    return ""


@pytest.mark.parametrize("text", [*NASTY, *TEXT], ids=lambda text: repr(text)[:24])
def test_token_ids_are_the_bases(both: tuple[Tokenizer, Model], text: str) -> None:
    tokenizer, model = both
    if why := difference(tokenizer, text):
        pytest.skip(why)
    assert model.token_ids(text) == wanted(tokenizer, text)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_text_gives_the_same_ids(both: tuple[Tokenizer, Model], text: str) -> None:
    tokenizer, model = both
    assume(not difference(tokenizer, text))
    assert model.token_ids(text) == wanted(tokenizer, text)


@pytest.mark.parametrize("folder", real_models() or [None], ids=str)
def test_real_models(folder: Path | None, tmp_path: Path) -> None:
    """Here the judge is transformers' tokenizer, which trained the model."""
    if folder is None:
        pytest.skip("LOCALTUNE_MODELS names no folder of models in transformers' format")
    try:
        export_master(folder, None, tmp_path / "m.gguf", "m")
    except ExportError as error:
        pytest.skip(f"not exported: {error.message}")
    fast, model = AutoTokenizer.from_pretrained(folder), Model(tmp_path / "m.gguf")
    bos = model.token_ids("")
    for text in (*NASTY, *TEXT):
        ids = model.token_ids(text)[len(bos) :]
        # Where not one character is known, transformers still puts a space.
        if ids and not difference(fast.backend_tokenizer, text):
            assert ids == fast(text, add_special_tokens=False).input_ids, text
