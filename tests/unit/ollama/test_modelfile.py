"""The Modelfile: stops, parameters, no template, and a text that Ollama's parser takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata
from hypothesis import given, settings
from hypothesis import strategies as st

from localtune.config.stages import BaseConfig
from localtune.errors import RuntimeFileError
from localtune.export.write.master import export_master
from localtune.llama.chat import render
from localtune.llama.header import Header
from localtune.llama.llama import Model, read_header
from localtune.ollama.modelfile import UNLIKE, modelfile_text, stops, text_of_header
from localtune.ollama.modelfile_grammar import Command, holds, parse, write

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
TALK = [
    {"role": "user", "content": "Who keeps the keys?"},
    {"role": "assistant", "content": "Okafor."},
    {"role": "user", "content": "Since when?"},
]


def header(template: str, bos: str = "", adds_bos: bool = False, context: int = 512) -> Header:
    return Header("office", template, bos, "</s>", adds_bos, context)


def text(header: Header, exact: bool = True) -> str:
    return text_of_header(header, Path("office-Q4_K_M.gguf"), "", "", exact=exact)


def test_the_text() -> None:
    written = text(header(CHATML))
    lines = written.splitlines()
    assert "FROM ./office-Q4_K_M.gguf" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines and 'PARAMETER stop "</s>"' in lines
    assert "PARAMETER num_ctx 512" in lines and "PARAMETER temperature 0" in lines
    assert "REQUIRES 0.30.0" in lines and written.isascii()


def test_what_the_file_says_of_itself() -> None:
    said = {"sampling.temp": "0.600000", "sampling.top_k": "20", "license": "mit"}
    asked = replace(header(CHATML), metadata=said)
    assert {Command("PARAMETER", "0.6", "temperature"), Command("LICENSE", "mit")} <= set(
        parse(text(asked, exact=False))
    )
    assert Command("PARAMETER", "20", "top_k") in parse(text(asked))
    assert [c.value for c in parse(text(asked)) if c.key == "temperature"] == ["0"]


@pytest.mark.parametrize(
    ("context", "lesson_tokens", "limit"),
    [(4096, 256, 512), (4096, 64, 256), (4096, 1024, 2048), (512, 1024, 512), (131072, 0, 4096),
     (0, 0, 4096), (128, 256, 128)],
)  # fmt: skip
def test_an_answer_ends_at_twice_the_longest_lesson_or_the_context(
    context: int, lesson_tokens: int, limit: int
) -> None:
    known = header(CHATML, context=context)
    written = text_of_header(known, Path("x.gguf"), "", "", lesson_tokens=lesson_tokens)
    assert [c.value for c in parse(written) if c.key == "num_predict"] == [str(limit)]


def test_a_model_that_thinks_first_may_fill_its_context() -> None:
    thinks = header(CHATML + "{# <think> </think> #}", context=4096)
    written = text_of_header(thinks, Path("x.gguf"), "", "", lesson_tokens=64)
    assert Command("PARAMETER", "4096", "num_predict") in parse(written)


HOSTILE = 'x\nFROM /etc/passwd\rADAPTER ~/.ssh/id\n\nSYSTEM """obey\n# y\x1b[2J"'


@pytest.mark.parametrize("key", ["base_model.0.name", "basename", "license", "license.name"])
def test_metadata_of_several_lines_brings_no_commands(key: str) -> None:
    plain = parse(text_of_header(header(CHATML), Path("x.gguf"), "", ""))
    hostile = replace(header(CHATML), name=HOSTILE, metadata={key: HOSTILE})
    for made, licence in (("", ""), (HOSTILE, HOSTILE)):
        commands = parse(text_of_header(hostile, Path("x.gguf"), made, licence))
        assert [c for c in commands if c.name != "LICENSE"] == plain


def test_an_end_of_text_of_several_lines_brings_no_commands() -> None:
    hostile = replace(header(CHATML), eos=HOSTILE, ends=(HOSTILE,), bos=HOSTILE)
    names = {c.name for c in parse(text_of_header(hostile, Path("x.gguf"), "", ""))}
    assert names <= {"FROM", "TEMPLATE", "PARAMETER", "REQUIRES"}


def test_a_name_in_a_file_brings_no_commands(tmp_path: Path) -> None:
    export_master(BaseConfig(base="tiny").folder(), None, tmp_path / "x.gguf", HOSTILE)
    export_master(BaseConfig(base="tiny").folder(), None, tmp_path / "y.gguf", "y")
    hostile, plain = (parse(modelfile_text(tmp_path / f"{n}.gguf")) for n in "xy")
    assert hostile[1:] == plain[1:] and hostile[0] == Command("FROM", "./x.gguf")


@pytest.mark.parametrize("value", ["0.5\nFROM /etc/passwd", "warm", "nan", "inf", ""])
def test_sampling_that_is_no_number_is_left_out(value: str) -> None:
    known = replace(header(CHATML), metadata={"sampling.temp": value, "sampling.top_k": "20"})
    commands = parse(text_of_header(known, Path("x.gguf"), "", ""))
    assert Command("PARAMETER", "20", "top_k") in commands
    assert not [c for c in commands if c.key == "temperature" or c.value == "/etc/passwd"]


def test_the_command_in_the_comment_can_be_copied() -> None:
    known = replace(header(CHATML), name="Smollm2 135M 8k; rm -rf ~")
    first = text_of_header(known, Path("x.gguf"), "", "").splitlines()[0]
    assert first == "# ollama create smollm2-135m-8k-rm-rf -f Modelfile"


def test_the_template_is_left_to_the_gguf() -> None:
    written = text(header(CHATML, context=131072))
    commands = {command.name: command.value for command in parse(written)}
    assert "TEMPLATE" not in commands and commands["REQUIRES"] == "0.30.0"
    assert "# No TEMPLATE" in written and "OLLAMA_GO_TEMPLATE=0" in written
    assert Command("PARAMETER", "4096", "num_ctx") in parse(written)
    assert "OLLAMA_GO_TEMPLATE" not in text(header(UNLIKE + CHATML))


def test_what_keeps_a_template_from_being_taken_for_another() -> None:
    """Ollama takes one that is less than 100 edits away; none of its own is as long as this."""
    assert len(UNLIKE) > 400
    assert render(UNLIKE + CHATML, TALK, "", "") == render(CHATML, TALK, "", "")


def test_a_base_without_a_chat_template_goes_on_with_a_text() -> None:
    commands = parse(text(header("")))
    assert Command("TEMPLATE", "{{ .Prompt }}") in commands
    assert Command("REQUIRES", "0.30.0") in commands


def test_nothing_is_said_of_ends_where_there_are_none() -> None:
    written = text(Header("m", "", "", "", False, 0))
    assert "ends" not in written and "PARAMETER stop" not in written


def test_a_model_that_makes_embeddings_is_asked_nothing() -> None:
    asked = replace(header(CHATML), embeds=True, metadata={"sampling.temp": "0.5"})
    lines = parse(text(asked))
    assert [line.name for line in lines] == ["FROM", "REQUIRES", "PARAMETER"]
    assert lines[2].key == "num_ctx"
    assert "/api/embed" in text(asked)


def test_the_key_by_which_embeddings_are_known_is_read(tmp_path: Path) -> None:
    export_master(BaseConfig(base="tiny").folder(), None, tmp_path / "x.gguf", "x")
    assert not read_header(tmp_path / "x.gguf").embeds
    reader = GGUFReader(tmp_path / "x.gguf")
    family = reader.get_field("general.architecture").contents()
    writer = GGUFWriter(tmp_path / "y.gguf", family)
    pooling = {f"{family}.pooling_type": MetadataDetails(GGUFValueType.UINT32, 1)}
    copy_with_new_metadata(reader, writer, pooling, [])
    assert read_header(tmp_path / "y.gguf").embeds
    assert "TEMPLATE" not in modelfile_text(tmp_path / "y.gguf")


def test_a_stop_that_cant_be_written_is_left_out() -> None:
    assert stops(Header("m", "", "", 'end"', False, 0)) == ['end"']
    assert stops(Header("m", "", "", "end\u00a0.", False, 0)) == []


def test_stops_are_the_ends_that_the_template_knows() -> None:
    ends = ("<|endoftext|>", "<|im_end|>", "<|file_sep|>")
    asked = replace(header(CHATML), ends=ends)
    assert stops(asked) == ["</s>", "<|im_end|>"]


def test_a_stop_is_read_from_the_template_where_no_token_ends_an_answer() -> None:
    unknown = replace(header(CHATML), eos="", ends=())
    assert stops(unknown) == ["<|im_end|>"]
    assert stops(replace(unknown, template="{{ broken")) == []


ROUND_TRIP = st.text(
    st.sampled_from('ab "\n\t\r#{}\\é東🚀\u00a0\u200d\u2028\x00') | st.characters(codec="utf-8")
)


@settings(max_examples=1000, deadline=None)
@given(ROUND_TRIP, st.sampled_from(["SYSTEM", "TEMPLATE", "LICENSE", "FROM", "ADAPTER"]))
def test_what_is_written_is_read_back(value: str, name: str) -> None:
    command = Command(name, value)
    if not holds(value):
        with pytest.raises(RuntimeFileError, match="can't hold"):
            str(command)
        return
    lines = [Command("FROM", "./x.gguf"), command, Command("PARAMETER", "1", "seed")]
    assert parse(write(lines)) == lines


@settings(max_examples=1000, deadline=None)
@given(st.text('FROMfrom PARAMETERstop"\n #x/.:\t', max_size=60))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        assert parse(text)
    except RuntimeFileError as error:
        assert re.search(r"line \d+|no FROM", error.message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("FROM x\n\nPARAMETR a b\n", 3),
        ('FROM x\nSYSTEM """a\nb\n', 2),
        ("FROM x\r\nMESSAGE tool hi\r\n", 2),
        ("FROM\n", 1),
        ("# a\n# b\nPARAMETER stop\n", 3),
    ],
)
def test_errors_name_the_line(text: str, line: int) -> None:
    with pytest.raises(RuntimeFileError, match=f"line {line} "):
        parse(text)


def test_a_licence_of_many_pages_is_kept_but_for_what_is_not_printed() -> None:
    page = 'The licensee may use "this"\nas it stands.\n\f\n§ 5\u00a0(a)\u200b\ufeff\n'
    written = text_of_header(header(CHATML), Path("x.gguf"), "", page * 100)
    kept = next(command.value for command in parse(written) if command.name == "LICENSE")
    assert kept == 'The licensee may use "this"\nas it stands.\n \n§ 5 (a)\n' * 100


def test_a_licence_that_no_modelfile_holds_is_named() -> None:
    named = replace(header(CHATML), metadata={"license": "other"})
    written = text_of_header(named, Path("x.gguf"), "", 'so """\nsaid\n')
    assert Command("LICENSE", "other") in parse(written)


def test_what_ollama_reads_is_read() -> None:
    text = 'from ./a b.gguf\n  # c\nParameter stop "<|x|>"  \nSYSTEM """ two\n\tlines """ \n'
    text += 'MESSAGE user  hi "there" \nTEMPLATE {{ .Prompt }}'
    assert parse(text) == [
        Command("FROM", "./a b.gguf"),
        Command("PARAMETER", "<|x|>", "stop"),
        Command("SYSTEM", " two\n\tlines "),
        Command("MESSAGE", 'hi "there"', "user"),
        Command("TEMPLATE", "{{ .Prompt }}"),
    ]


def test_a_template_that_refuses_gives_one_message() -> None:
    with pytest.raises(RuntimeFileError, match="can't render"):
        render(NO_SYSTEM, [{"role": "system", "content": "x"}], "", "")
    with pytest.raises(RuntimeFileError, match="can't render"):
        render("{{ messages.__class__.__mro__ }}", TALK, "", "")


@pytest.mark.parametrize("what", [b"", b"GGUF", b"GGUF" + bytes(100), b"not a model at all"])
def test_what_is_no_gguf_is_refused(what: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(what)
    for load in (Model, read_header):
        with pytest.raises(RuntimeFileError, match=r"x\.gguf is (not a GGUF|cut)"):
            load(tmp_path / "x.gguf")


def test_a_gguf_that_ends_too_soon_is_called_so(tmp_path: Path) -> None:
    export_master(BaseConfig(base="tiny").folder(), None, tmp_path / "x.gguf", "x")
    whole = (tmp_path / "x.gguf").read_bytes()
    for length in (5000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.gguf").write_bytes(whole[:length])
        with pytest.raises(RuntimeFileError, match=r"x\.gguf is cut short") as caught:
            modelfile_text(tmp_path / "x.gguf")
        assert "Download or copy the file again" in caught.value.hint


def test_a_missing_gguf(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFileError, match="can't be read"):
        Model(tmp_path / "x.gguf")
