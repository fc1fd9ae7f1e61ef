"""The Modelfile: a Go template probed from the Jinja, stops, and a text Ollama's parser takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from localtune.config import PLAIN_TEMPLATE
from localtune.errors import RuntimeFileError
from localtune.runtimes.chat import render
from localtune.runtimes.llama import Header, Model, read_header
from localtune.runtimes.modelfile import modelfile_text, stops
from localtune.runtimes.template import derive

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}"
    "{% endif %}" + CHATML
)
FOLDED = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{% elif m['role'] == 'user' %}"
    "U: {{ (messages[0]['content'] + '\\n' if messages[0]['role'] == 'system' and loop.index0 == 1"
    " else '') + m['content'] }}\n{% else %}A: {{ m['content'] }}\n{% endif %}{% endfor %}"
)
TALK = [
    {"role": "user", "content": "Who keeps the keys?"},
    {"role": "assistant", "content": "Okafor."},
    {"role": "user", "content": "Since when?"},
]


def header(template: str, bos: str = "", adds_bos: bool = False, context: int = 512) -> Header:
    return Header("office", template, bos, "</s>", adds_bos, context)


@pytest.mark.parametrize("template", [CHATML, PLAIN_TEMPLATE, LLAMA3, NO_SYSTEM])
def test_simple_templates_are_taken_apart(template: str) -> None:
    pieces = derive(template, "<s>", "</s>")
    assert pieces is not None
    assert pieces.render(TALK) == render(template, TALK, "<s>", "</s>")


@pytest.mark.parametrize(
    "template",
    [
        DEFAULT_SYSTEM,
        FOLDED,
        "{{ messages[0]['content'] }}",
        "{{ messages | length }}",
        "{% broken",
        "",
        CHATML.replace("<|im_end|>", "}}"),
        CHATML.replace("<|im_end|>", "\u00a0"),
    ],
)
def test_other_templates_give_none(template: str) -> None:
    assert derive(template, "<s>", "</s>") is None


def test_the_go_template_of_chatml() -> None:
    pieces = derive(CHATML, "", "<|im_end|>")
    assert pieces is not None
    assert pieces.go() == (
        '{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}'
        '<|im_end|>\n{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n'
        "{{ end }}{{ end }}<|im_start|>assistant\n"
    )


def test_bos_comes_once() -> None:
    pieces = derive(LLAMA3, "<s>", "</s>")
    assert pieces is not None and pieces.start == "<s>"
    assert "<s>" not in modelfile_text("m.gguf", header(LLAMA3, "<s>", adds_bos=True), pieces)
    assert '"""<s>{{' in modelfile_text("m.gguf", header(LLAMA3, "<s>"), pieces)


def test_the_text() -> None:
    text = modelfile_text("office-Q4_K_M.gguf", header(CHATML), derive(CHATML, "", "</s>"))
    lines = text.splitlines()
    assert "FROM ./office-Q4_K_M.gguf" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines and 'PARAMETER stop "</s>"' in lines
    assert "PARAMETER num_ctx 512" in lines and "PARAMETER temperature 0" in lines
    assert text.count('"""') == 2 and text.isascii()


def test_no_template_where_none_can_be_derived() -> None:
    text = modelfile_text("m.gguf", header(FOLDED, context=131072), None)
    assert "TEMPLATE " not in [line.split("#")[0][:9] for line in text.splitlines()]
    assert "# No TEMPLATE" in text and "PARAMETER num_ctx 4096" in text


def test_a_stop_that_cant_be_quoted_is_left_out() -> None:
    assert stops(Header("m", "", "", 'end"', False, 0), None) == []


def test_a_template_that_refuses_gives_one_message() -> None:
    with pytest.raises(RuntimeFileError, match="can't render"):
        render(NO_SYSTEM, [{"role": "system", "content": "x"}], "", "")
    with pytest.raises(RuntimeFileError, match="can't render"):
        render("{{ messages.__class__.__mro__ }}", TALK, "", "")


@pytest.mark.parametrize("what", [b"", b"GGUF", b"GGUF" + bytes(100), b"not a model at all"])
def test_what_is_no_gguf_is_refused(what: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(what)
    for load in (Model, read_header):
        with pytest.raises(RuntimeFileError, match=r"x\.gguf is not a GGUF"):
            load(tmp_path / "x.gguf")


def test_a_missing_gguf(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFileError, match="can't be read"):
        Model(tmp_path / "x.gguf")
