"""Hand-written Go templates are proved in Go: tools, calls, results and thoughts as in the Jinja.

Without llama.cpp's templates, and those of the tokenizers in the folder that LOCALTUNE_TOKENIZERS
names, on a Jinja written here.
"""

from __future__ import annotations

import itertools
import json
import random

import pytest
from go_templates import Go, digests
from test_chat_templates import published

from localtune.errors import RuntimeFileError
from localtune.llama.chat import DAYS, render
from localtune.llama.header import Header
from localtune.ollama.chosen_template import choose
from localtune.ollama.hand_written import (
    PARTS,
    HandWritten,
    hand_written,
    renderings,
    shows,
    text_of,
)
from localtune.ollama.modelfile_grammar import holds
from localtune.ollama.tool_chats import WEATHER, Chat, tool_chats

EXPECTED = {
    "Qwen-Qwen2.5-7B-Instruct": "qwen-2.5",
    "Qwen-Qwen3-0.6B": "qwen-3",
    "ibm-granite-granite-3.3-2B-Instruct": "granite-3.3",
    "ibm-granite-granite-4.0": "granite-4.0",
    "ibm-granite-granite-4.1": "granite-4.1",
    "meta-llama-Llama-3.1-8B-Instruct": "llama-3.1",
    "meta-llama-Llama-3.2-3B-Instruct": "llama-3.2",
    "meta-llama-Llama-3.3-70B-Instruct": "llama-3.1",
    "mistralai-Mistral-Nemo-Instruct-2407": "mistral-nemo",
    "HuggingFaceTB-SmolLM3-3B": "smollm-3-undated",
    "tokenizer llama-3.2": "llama-3.2",
    "tokenizer mistral-7b-instruct-v0.3": "mistral-0.3",
    "tokenizer qwen3": "qwen-3",
    "tokenizer smollm3": "smollm-3",
}
# What the template of Granite 4.1 does, in other words.
HERMES = r"""
{%- set ns = namespace(about='You are a helpful assistant with access to the following tools. '
 ~ 'You may call one or more tools to assist with the user query.\n\nYou are provided with '
 ~ 'function signatures within <tools></tools> XML tags:\n<tools>') %}
{%- for tool in tools or [] %}{% set ns.about = ns.about ~ '\n' ~ tool | tojson %}{% endfor %}
{%- set ns.about = ns.about ~ '\n</tools>\n\nFor each tool call, return a json object with function'
 ~ ' name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": '
 ~ '<function-name>, "arguments": <args-json-object>}\n</tool_call>. If a tool does not exist in '
 ~ 'the provided list of tools, notify the user that you do not have the ability to fulfill the '
 ~ 'request.' %}
{%- set own = messages[0].content if messages[0].role == 'system' else none %}
{%- set first = (own ~ '\n\n' if own is not none else '') ~ ns.about if tools else own %}
{%- if first %}
{{- '<|start_of_role|>system<|end_of_role|>' ~ first ~ '<|end_of_text|>\n' }}
{%- endif %}
{%- for m in messages[0 if own is none else 1:] %}
{%- set ns.text = m.content %}
{%- for call in m.tool_calls or [] %}
{%- set ns.text = ns.text ~ ('\n' if ns.text or not loop.first else '') ~ '<tool_call>\n{"name": "'
 ~ call.function.name ~ '", "arguments": ' ~ call.function.arguments | tojson
 ~ '}\n</tool_call>' %}
{%- endfor %}
{%- if m.role == 'tool' %}
{%- set joined = loop.previtem is defined and loop.previtem.role == 'tool' %}
{{- '' if joined else '<|start_of_role|>user<|end_of_role|>' }}
{{- '\n<tool_response>\n' ~ m.content ~ '\n</tool_response>' }}
{{- '' if loop.nextitem is defined and loop.nextitem.role == 'tool' else '<|end_of_text|>\n' }}
{%- else %}
{{- '<|start_of_role|>' ~ m.role ~ '<|end_of_role|>' ~ ns.text ~ '<|end_of_text|>\n' }}
{%- endif %}
{%- endfor %}{{ '<|start_of_role|>assistant<|end_of_role|>' if add_generation_prompt }}"""
LETTERS = "aé東🚀 \u00a0\u3000\u2028\x1c\x7f\n\t\"'`{}<>&|[]/\\#-_.,:0"


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_go_makes_of_the_battery_what_is_kept(name: str, go: Go) -> None:
    assert digests(name, go) == renderings()[name], "see go_templates.py"


def test_the_same_in_other_words_is_recognised() -> None:
    found = hand_written(HERMES, "<s>", "</s>")
    assert found and found.name == "granite-4.1" and found.takes_tools and not found.begins
    found = hand_written("{{ bos_token }}" + HERMES, "<s>", "")
    assert found and found.begins


NEAR = {
    "other words": HERMES.replace("a helpful assistant", "an assistant"),
    "indented tools": HERMES.replace("tool | tojson", "tool | tojson(indent=2)"),
    "arguments as they are": HERMES.replace("arguments | tojson", "arguments"),
    "two results apart": HERMES.replace("set joined = loop", "set joined = false and loop"),
    "no calls": HERMES.replace("m.tool_calls or []", "[]"),
    "trimmed": HERMES.replace("ns.text = m.content", "ns.text = m.content | trim"),
    "another line after a call": HERMES.replace("'}\\n</tool_call>'", "'}</tool_call>'"),
    "thoughts": HERMES + "{{ '<think>' if enable_thinking is defined }}",
    "date": HERMES + "{{ strftime_now('%Y') }}",
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_only_near_is_not_taken(name: str) -> None:
    assert NEAR[name] != HERMES
    assert hand_written(NEAR[name], "", "") is None


@pytest.fixture(scope="module")
def recognised() -> dict[str, HandWritten]:
    """The published templates, and ours, that get a hand-written one, by their name."""
    found = {name: hand_written(text, "<s>", "</s>") for name, text in published().items()}
    return {name: one for name, one in found.items() if one}


@pytest.mark.slow
def test_published_templates(
    recognised: dict[str, HandWritten], capsys: pytest.CaptureFixture[str]
) -> None:
    templates = published()
    if not templates:
        pytest.skip("llama.cpp's templates can't be fetched: no network")
    named = {name: one.name for name, one in recognised.items()}
    with capsys.disabled():
        print(f"\n{len(named)} of {len(templates)} chat templates are written by hand in Go")
    assert named == {name: theirs for name, theirs in EXPECTED.items() if name in templates}


def _anything(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randrange(90)))


def _drawn(rng: random.Random) -> Chat:
    """Return a chat that the battery doesn't hold; keys in the order of the alphabet."""
    value = rng.choice([None, True, 7, -0.25, [], {}, ["x", [1]], {"a": {"b": "<&>"}}])
    arguments = {"place": _anything(rng), "unit": value}
    function = {"name": "get_weather", "arguments": arguments}
    call = {"id": "abcdefghi", "type": "function", "function": function}
    tool = json.loads(json.dumps(WEATHER))
    tool["function"]["parameters"]["properties"]["place"]["description"] = _anything(rng) + "x"
    tool["function"]["parameters"]["properties"]["unit"]["enum"] = [_anything(rng), _anything(rng)]
    messages = [
        {"role": "system", "content": _anything(rng)},
        {"role": "user", "content": _anything(rng)},
        {"role": "assistant", "content": rng.choice(["", "So."]), "tool_calls": [call]},
        {"role": "tool", "content": _anything(rng), "tool_call_id": "abcdefghi"},
    ]
    return Chat(messages[rng.randrange(2) :], (tool,), rng.choice([None, True, False]))


@pytest.mark.slow
def test_go_does_as_the_jinja_with_anything(go: Go, recognised: dict[str, HandWritten]) -> None:
    rng, jinjas = random.Random(11), {**published(), "in other words": HERMES}
    ours = hand_written(HERMES, "", "</s>")
    assert ours
    for name, found in {**recognised, "in other words": ours}.items():
        for chat in (_drawn(rng) for _ in range(25)):
            day = rng.choice(DAYS)
            if not shows(found.name, chat):
                continue
            try:
                how = {"day": day, "tools": chat.tools, "thinks": chat.thinks}
                wanted = render(jinjas[name], chat.messages, "", "</s>", **how)
            except RuntimeFileError:
                continue
            assert go.render_chat(found.text, chat, f"{day:%Y-%m-%d}") == wanted, name


def test_order_is_lost_and_nothing_else(go: Go) -> None:
    """Go's maps have no order; what a template doesn't know of a property it shows as Ollama."""
    odd = {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "a"}
    deep = {"type": "object", "properties": {"x": {"type": "string"}}}
    for one, another in itertools.permutations([("b", odd), ("a", deep)], 2):
        tool = json.loads(json.dumps(WEATHER))
        tool["function"]["parameters"]["properties"] = dict([one, another])
        chat = Chat([{"role": "user", "content": "Ask"}], (tool,))
        text = go.render_chat(text_of("granite-4.1"), chat)
        shown = text.partition("<tools>\n")[2].partition("\n</tools>")[0]
        assert json.loads(shown) == tool
        assert list(json.loads(shown)["function"]["parameters"]["properties"]) == ["a", "b"]


@pytest.mark.parametrize("name", PARTS)
def test_a_modelfile_holds_them_and_a_later_ollama_prefers_the_jinja(name: str) -> None:
    text = text_of(name)
    assert holds(text)
    # By these Ollama 0.30 would take the Go template for as able as the Jinja, which is exact.
    assert not any(sign in text for sign in ('eq .Role "tool"', "tool_response", "TOOL_RESULTS"))
    # And by these an older one knows what to look for in an answer.
    assert ("if .ToolCalls }}" in text) == (".Tools" in text)


def test_bos_is_left_to_who_puts_it_there() -> None:
    jinja = "{{ bos_token }}" + HERMES
    for adds, front in ((True, ""), (False, "<s>")):
        chosen = choose(Header("x", jinja, "<s>", "</s>", adds, 4096))
        assert chosen and chosen.text == front + text_of("granite-4.1")
        assert "with tools" in chosen.about


def test_the_battery_holds_what_it_should() -> None:
    battery = list(tool_chats())
    calls = [len(m.get("tool_calls", [])) for chat in battery for m in chat.messages]
    assert {0, 1, 2, 3} == set(calls) and {None, True, False} == {c.thinks for c in battery}
    assert any(m.get("reasoning_content") for chat in battery for m in chat.messages)
