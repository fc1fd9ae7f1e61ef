"""Go templates are proved in Go: what is derived renders as the Jinja does, or nothing is derived.

Over every template that llama.cpp's sources hold, and those of the tokenizers in the folder that
LOCALTUNE_TOKENIZERS names.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import CHATML, make_adapter
from go_templates import Go
from script_reference import reference

from localtune.build.modelfiles import comment_for
from localtune.config.stages import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.export.write.master import export_master
from localtune.llama.chat import DAYS, render
from localtune.llama.llama import read_header
from localtune.ollama.go_template import go_template
from localtune.ollama.modelfile import UNLIKE, modelfile_text
from localtune.ollama.modelfile_grammar import Command, holds, parse
from localtune.ollama.template import CONTENTS, THOUGHTS, conversations, derive

BOS, EOS = "<s>", "</s>"
LETTERS = "aé東🚀 \u00a0\u3000\u2028\x1c\n\t\"'`{}<>|[]/\\#-_.,:0"
# What a person may say and the derivation never looked at.
RANDOM = random.Random(7)
SAID = tuple(
    tuple("".join(RANDOM.choices(LETTERS, k=RANDOM.randrange(40))) for _ in range(3))
    for _ in range(12)
)


def published() -> dict[str, str]:
    """Return {name: Jinja}."""
    source = reference()
    files = sorted((source / "models" / "templates").glob("*.jinja")) if source else []
    found = {file.stem: file.read_text("utf-8") for file in files}
    if folder := os.environ.get("LOCALTUNE_TOKENIZERS"):
        for tokenizer in sorted(Path(folder).iterdir()):
            if template := _of_tokenizer(tokenizer):
                found[f"tokenizer {tokenizer.name}"] = template
    return found


def _of_tokenizer(folder: Path) -> str:
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8")
    file = folder / "tokenizer_config.json"
    held: Any = json.loads(file.read_text("utf-8")).get("chat_template") if file.is_file() else ""
    return str(held[0]["template"] if isinstance(held, list) else held or "")


def rendered(template: str, messages: list[dict[str, str]]) -> set[str]:
    try:
        return {render(template, messages, BOS, EOS, day=day) for day in DAYS}
    except RuntimeFileError:
        return set()


def assert_equal(go: Go, template: str, name: str) -> bool:
    """Compare along every conversation; return whether a Go template was derived."""
    pieces = derive(template, BOS, EOS)
    if pieces is None:
        return False
    text = go_template(pieces)
    assert holds(text), name
    for messages in conversations((*CONTENTS, *SAID)):
        wanted = rendered(template, messages)
        if wanted:
            assert {go.render(text, messages)} == wanted, name
    for messages in conversations(THOUGHTS):
        wanted = rendered(template, messages)
        same = not wanted or {go.render(text, messages)} == wanted
        assert same or pieces.keeps_thoughts, name
    return True


def test_published_templates(go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    templates = published()
    if not templates:
        pytest.skip("llama.cpp's templates can't be fetched: no network")
    derived = [name for name, text in templates.items() if assert_equal(go, text, name)]
    with capsys.disabled():
        print(f"\n{len(derived)} of {len(templates)} chat templates are worked out in Go, for talk")
    assert len(derived) >= len(templates) / 2


FAMILIES = (
    "Qwen2.5",
    "Qwen3-0.6B",
    "Llama-3.1",
    "Phi-3.5",
    "gemma-2",
    "gemma-4-31B-it",
    "Mistral-Nemo",
    "granite-4",
)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_people_tune_is_derived(family: str) -> None:
    held = {name: text for name, text in published().items() if family in name}
    if not held:
        pytest.skip("llama.cpp's templates can't be fetched: no network")
    assert all(derive(text, BOS, EOS) for text in held.values())


ODD = {
    "braces": "{{ '{{ x }}' }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ '{' }}\n"
    "{% endfor %}A:",
    "vanishing": "{% for m in messages %}\u00a0{{ m.role }}\u200d: {{ m.content }}\r\n"
    "{% endfor %}\u2028",
    "quotes": '"""\n{% for m in messages %}"{{ m.role }}": """{{ m.content }}"""\n{% endfor %}"""',
    "left": "{% for m in messages %}<{{ m.role }}>{{ m.content.lstrip() }}\n{% endfor %}<a>",
    "right": "{% for m in messages %}<{{ m.role }}>{{ m.content.rstrip('\\n') }}\n{% endfor %}<a>",
    # As Gemma 3 has it: a first system message goes into the first question, a later one is a turn.
    "folded": "{{ bos_token }}{% set first = '' %}{% set rest = messages %}"
    "{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set rest = messages[1:] %}{% endif %}{% for m in rest %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}{% endif %}"
    "<turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ first if loop.first }}"
    "{{ m.content | trim }}<end>\n{% endfor %}{% if add_generation_prompt %}<turn>model\n"
    "{% endif %}",
    "plain": PLAIN_TEMPLATE,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_templates(name: str, go: Go) -> None:
    assert assert_equal(go, ODD[name], name)


NOT_DERIVED = {
    "date": "{{ strftime_now('%d %b') }}{% for m in messages %}{{ m.content }}{% endfor %}",
    "count": "{% for m in messages %}{{ loop.index }}: {{ m.content }}{% endfor %}",
    "long": "{% for m in messages %}{{ '!' if loop.index > 8 }}{{ m.content }}{% endfor %}",
    "length": "{% for m in messages %}{{ m.content[:5000] }}{% endfor %}",
    "look": "{% for m in messages %}{{ m.content }}{{ '!' if '?' in m.content }}{% endfor %}",
    "last": "{% for m in messages %}{{ 'now ' if loop.last }}{{ m.content }}{% endfor %}",
    "upper": "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
    "cut": "{% for m in messages %}{{ m.content[:20] }}{% endfor %}",
    "other": "{% for m in messages %}{{ m.content | replace('{', '(') }}{% endfor %}",
}


@pytest.mark.parametrize("name", NOT_DERIVED)
def test_what_go_cannot_do_is_not_derived(name: str) -> None:
    assert derive(NOT_DERIVED[name], BOS, EOS) is None


def test_ollama_is_kept_from_taking_another_template(base: Path, tmp_path: Path) -> None:
    """Where Go can't do it, the GGUF's template begins with what is like no other."""
    dated = CHATML + "{{ strftime_now('%Y') }}"
    (tmp_path / "base").symlink_to(base)
    assert comment_for(tmp_path / "base", CHATML) == ""
    assert comment_for(tmp_path / "base", dated) == UNLIKE
    adapter = make_adapter(base, tmp_path / "adapter")
    (adapter / "chat_template.jinja").write_text(dated)
    export_master(base, adapter, tmp_path / "m.gguf", "m", comment=UNLIKE)
    assert read_header(tmp_path / "m.gguf").template == UNLIKE + dated
    said = parse(modelfile_text(tmp_path / "m.gguf"))
    assert Command("REQUIRES", "0.30.0") in said
    assert "TEMPLATE" not in [command.name for command in said]
