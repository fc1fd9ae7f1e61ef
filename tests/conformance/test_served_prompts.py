"""llama-cpp-python's server is given the prompts of `localtune ask`, BOS included."""

from __future__ import annotations

import json
from pathlib import Path

import llama_cpp
import pytest
from conftest import CHATML, make_base

from localtune.export.write.master import export_master
from localtune.llama.llama import Model
from localtune.llama.openai_server import chat_format

MESSAGES = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "  What's the fee?\n"},
    {"role": "assistant", "content": "85 euros – «Größe»."},
    {"role": "user", "content": "And <s>for</s> two?"},
]


def with_bos(base: Path) -> Path:
    """Make a base's tokenizer put its BOS in front."""
    file = base / "tokenizer.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    token = next(t for t in stored["added_tokens"] if t["content"] == "<s>")
    bos = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    stored["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [
            bos,
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [token["id"]], "tokens": ["<s>"]}},
    }
    file.write_text(json.dumps(stored), encoding="utf-8")
    return base


@pytest.mark.parametrize("template", [CHATML, "{{ bos_token }}" + CHATML], ids=["plain", "bos"])
@pytest.mark.parametrize("kind", ["gpt-2", "spm-prepend", "spm-metaspace"])
@pytest.mark.parametrize("begins", [False, True], ids=["as it is", "adds bos"])
def test_a_served_prompt_is_that_of_ask(
    tmp_path: Path, kind: str, template: str, begins: bool
) -> None:
    if begins and kind == "gpt-2":
        pytest.skip("has no BOS")
    base = make_base(tmp_path / "base", kind, template)
    gguf = tmp_path / "m.gguf"
    export_master(with_bos(base) if begins else base, None, gguf, "m")
    model = Model(gguf)
    assert model.header.adds_bos == begins
    served = llama_cpp.Llama(str(gguf), n_ctx=512, verbose=False)
    made = chat_format(model.header)(messages=MESSAGES)
    assert made.added_special and made.stop == [model.header.eos]
    ids = served.tokenize(made.prompt.encode(), add_bos=False, special=True)
    assert ids == model.token_ids(model.render(MESSAGES))
    served.close()
