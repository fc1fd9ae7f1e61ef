"""Ollama renders the chat template of a GGUF that localtune writes as transformers renders it.

On the stand-in, over every template that llama.cpp's sources hold, and those of the tokenizers in
the folder that LOCALTUNE_TOKENIZERS names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from conftest import CHATML
from script_reference import reference
from stand_in_ollama import StandIn, chatml, detected
from transformers import PreTrainedTokenizerFast as Fast

from localtune.config.stages import PLAIN_TEMPLATE
from localtune.export.write.master import export_master
from localtune.llama.chat import RENDER_ERRORS
from localtune.llama.llama import read_header
from localtune.ollama.create_request import blob, create_request
from localtune.ollama.modelfile import UNLIKE, modelfile_text
from localtune.ollama.modelfile_grammar import Command, parse

Chat = dict[str, Any]  # messages, tools, think: as /api/chat takes them
Install = Callable[[str, str], "Rendered"]

SYSTEM = {"role": "system", "content": "Be brief.\n"}
ASK = {"role": "user", "content": "  Who keeps the {{ keys }}?\n"}
SAID = {"role": "assistant", "content": "Okafor – «since 1998»."}
AGAIN = {"role": "user", "content": '<|im_end|> "東京" 🚀 [/INST]'}
THOUGHT = {"role": "assistant", "thinking": "Let me see.\n", "content": "Okafor."}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "abcdefghi",
            "type": "function",
            "function": {
                "name": "get_weather",
                "arguments": {"unit": "celsius", "place": "Zürich"},
            },
        }
    ],
}
RESULT = {"role": "tool", "content": '{"temp": "<21 °C>"}', "tool_call_id": "abcdefghi"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place, now.",
        "parameters": {
            "type": "object",
            "properties": {
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "place": {"type": "string", "description": "Town & country"},
            },
            "required": ["place"],
        },
    },
}
CHATS: dict[str, Chat] = {
    "a question": {"messages": [ASK]},
    "system": {"messages": [SYSTEM, ASK]},
    "turns": {"messages": [ASK, SAID, AGAIN]},
    "system and turns": {"messages": [SYSTEM, ASK, SAID, AGAIN, SAID, ASK]},
    "cut at the front": {"messages": [SAID, AGAIN]},
    "thoughts": {"messages": [ASK, THOUGHT, AGAIN]},
    "with thinking": {"messages": [SYSTEM, ASK], "think": True},
    "without thinking": {"messages": [SYSTEM, ASK, THOUGHT, AGAIN], "think": False},
    "tools": {"messages": [SYSTEM, ASK], "tools": [WEATHER]},
    "a call": {"messages": [ASK, CALL, RESULT], "tools": [WEATHER]},
    "a call and thoughts": {
        "messages": [SYSTEM, ASK, {**CALL, "thinking": "Look."}, RESULT, THOUGHT, AGAIN],
        "tools": [WEATHER],
        "think": True,
    },
}
DEFAULT_SYSTEM = "{% if messages[0]['role'] != 'system' %}{{ 'Be kind.\\n' }}{% endif %}" + CHATML
OURS = {
    "chatml": CHATML,
    "default system prompt": DEFAULT_SYSTEM,
    "a line in front": "\n" + CHATML,
    "spaces in front": "  \n " + CHATML,
    "no template of the base": PLAIN_TEMPLATE,
}


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


class Rendered:
    """A model in the stand-in, made of the Modelfile of a GGUF."""

    def __init__(self, server: StandIn, gguf: Path) -> None:
        self.commands = parse(modelfile_text(gguf))
        self._url = server.url
        sent = blob(gguf, hashlib.sha256(gguf.read_bytes()).hexdigest())
        httpx2.post(f"{self._url}/api/blobs/{sent.digest}", content=gguf.read_bytes())
        body = create_request(self.commands, "m:latest", {f"./{gguf.name}": sent})
        httpx2.post(f"{self._url}/api/create", json=body)

    def __call__(self, chat: Chat) -> str:
        """Return the prompt that Ollama shows the model."""
        body = {"model": "m:latest", "stream": False, "_debug_render_only": True, **chat}
        reply = httpx2.post(f"{self._url}/api/chat", json=body).json()
        return str(reply["_debug_info"]["rendered_template"])


@pytest.fixture
def install(base: Path, tmp_path: Path) -> Iterator[Install]:
    """Export a base with a chat template and a comment before it, and install it."""
    server = StandIn(tmp_path / "store")

    def installed(template: str, comment: str) -> Rendered:
        folder = tmp_path / "base"
        if not folder.exists():
            Fast.from_pretrained(base).save_pretrained(folder)
            for file in base.glob("*.safetensors"):
                (folder / file.name).write_bytes(file.read_bytes())
            (folder / "config.json").write_bytes((base / "config.json").read_bytes())
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8", newline="")
        export_master(folder, None, tmp_path / "m.gguf", "m", comment=comment)
        return Rendered(server, tmp_path / "m.gguf")

    yield installed
    server.close()


def expected(tokenizer: Fast, template: str, chat: Chat) -> str | None:
    """Return what transformers makes of a chat, None where the template refuses it."""
    thinking = {"enable_thinking": chat["think"]} if "think" in chat else {}
    try:
        text = tokenizer.apply_chat_template(
            chat["messages"], chat.get("tools"), chat_template=template, tokenize=False,
            add_generation_prompt=True, **thinking,
        )  # fmt: skip
    except RENDER_ERRORS:
        return None
    return str(text)


def assert_equal(install: Install, base: Path, name: str, template: str) -> int:
    """Compare every chat that a template renders; return their number."""
    tokenizer, shown = Fast.from_pretrained(base), install(template, UNLIKE)
    wanted = {chat: expected(tokenizer, template, CHATS[chat]) for chat in CHATS}
    rendered = {chat: text for chat, text in wanted.items() if text is not None}
    for chat, text in rendered.items():
        assert shown(CHATS[chat]) == text, f"{name}: {chat}"
    return len(rendered)


@pytest.mark.parametrize("name", OURS)
def test_a_chat_is_rendered_as_it_was_trained(name: str, base: Path, install: Install) -> None:
    assert assert_equal(install, base, name, OURS[name]) >= 8


@pytest.mark.slow
def test_published_templates(
    base: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    templates = published()
    if not templates:
        pytest.skip("llama.cpp's templates can't be fetched: no network")
    counts = [assert_equal(install, base, name, text) for name, text in templates.items()]
    with capsys.disabled():
        print(f"\n{sum(counts)} chats of {len(templates)} templates are rendered alike in Ollama")
    assert sum(count > 3 for count in counts) > len(templates) / 2


def test_without_the_comment_ollama_takes_a_template_of_its_own(
    install: Install,
) -> None:
    """It takes a default system prompt away: the reason for the comment."""
    assert detected(DEFAULT_SYSTEM) == "chatml" and not detected(UNLIKE + DEFAULT_SYSTEM)
    chat = CHATS["a question"]
    assert install(DEFAULT_SYSTEM, "")(chat) == chatml(chat["messages"])
    assert "Be kind." in install(DEFAULT_SYSTEM, UNLIKE)(chat)


def test_the_modelfile_leaves_the_template_to_the_gguf(install: Install, tmp_path: Path) -> None:
    commands = install(CHATML, UNLIKE).commands
    assert Command("REQUIRES", "0.30.0") in commands
    assert "TEMPLATE" not in [command.name for command in commands]
    assert read_header(tmp_path / "m.gguf").template == UNLIKE + CHATML


def test_the_comment_is_written_once(base: Path, install: Install, tmp_path: Path) -> None:
    install(UNLIKE + CHATML, UNLIKE)
    assert read_header(tmp_path / "m.gguf").template == UNLIKE + CHATML
