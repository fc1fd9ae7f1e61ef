"""Chat templates that refuse, break, or leave something out: one error before any training."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from transformers import AutoTokenizer

from localtune.build.open_build import start
from localtune.build.template_check import check_template
from localtune.cli.main import cli
from localtune.config.stages import BaseConfig, BuildConfig, ChatConfig
from localtune.errors import BaseModelError, ConfigError, InputError
from localtune.training.tokenise import render
from localtune.workspace import write_jsonl

TINY = BaseConfig("tiny").folder()
assert TINY
OWN = (TINY / "chat_template.jinja").read_text()
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}"
)
SKIPS_SYSTEM = "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}"
ONE_TURN = "{% if messages|length > 2 %}{{ raise_exception('One question only') }}{% endif %}"
SYSTEM = 'You answer for "Tarnbrook".\nShort.'
QUESTION = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ilse."}]
PROMPTED = [{"role": "system", "content": "You are the desk."}, *QUESTION]


def checked(
    folder: Path, template: str, system: str = "", chats: list[list[dict[str, str]]] | None = None
) -> None:
    """Check a template as the base of a build, with chats of the user's own."""
    docs = folder / "docs"
    docs.mkdir(exist_ok=True)
    build = start(docs, folder / "out", BuildConfig(base=BaseConfig("tiny")))
    shutil.copytree(TINY, build.at.base, dirs_exist_ok=True)
    (build.at.base / "chat_template.jinja").write_text(template)
    rows = [{"id": "1", "document": "desk.jsonl", "messages": said} for said in chats or []]
    write_jsonl(build.at.chats, rows)
    check_template(build.at, replace(build.config, chat=ChatConfig(system=system)))


def test_the_built_in_template_renders_everything(tmp_path: Path) -> None:
    checked(tmp_path, OWN, SYSTEM, [PROMPTED, [*QUESTION, *QUESTION]])


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for m in messages %}{{ m.role }\n{% endfor %}", "unexpected '}'"),
        ("{{ unknown_function(messages) }}", "'unknown_function' is undefined"),
        ("{{ messages[0].content.missing() }}", "no attribute 'missing'"),
        ("{{ 1 // 0 }}", "zero"),
        ("{{ raise_exception('Not today') }}", "Not today"),
        ("{{ messages[-1]['content'] }}", "leaves out the user message"),
    ],
)
def test_a_template_that_cannot_render_lessons_is_refused(
    template: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(BaseModelError, match=why) as refused:
        checked(tmp_path, template)
    assert "--base" in refused.value.hint
    assert "\n" not in refused.value.message


def test_several_turns_are_needed_only_by_chats_that_have_them(tmp_path: Path) -> None:
    checked(tmp_path, ONE_TURN + OWN, chats=[QUESTION])
    with pytest.raises(InputError, match="One question only"):
        checked(tmp_path, ONE_TURN + OWN, chats=[[*QUESTION, *QUESTION]])


@pytest.mark.parametrize("template", [NO_SYSTEM + OWN, SKIPS_SYSTEM])
def test_a_template_without_a_place_for_the_system_prompt_is_refused(
    template: str, tmp_path: Path
) -> None:
    checked(tmp_path, template)
    with pytest.raises(ConfigError, match="of tiny can't render the system prompt"):
        checked(tmp_path, template, SYSTEM)


@pytest.mark.parametrize("template", [NO_SYSTEM + OWN, SKIPS_SYSTEM])
def test_chats_with_a_system_message_are_refused_by_their_file(
    template: str, tmp_path: Path
) -> None:
    checked(tmp_path, template, chats=[QUESTION])
    with pytest.raises(InputError, match=r"chats of desk\.jsonl that begin with a system") as no:
        checked(tmp_path, template, chats=[QUESTION, PROMPTED])
    assert "into the first user message" in no.value.hint


def test_an_adapter_alone_needs_a_base_with_a_template(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    build = start(tmp_path / "docs", tmp_path / "out", BuildConfig(base=BaseConfig("tiny")))
    shutil.copytree(TINY, build.at.base)
    (build.at.base / "chat_template.jinja").unlink()
    check_template(build.at, build.config)
    alone = replace(build.config.export, adapter_only=True)
    with pytest.raises(ConfigError, match="has no chat template") as refused:
        check_template(build.at, replace(build.config, base=BaseConfig("x.gguf"), export=alone))
    assert "Omit --adapter-only" in refused.value.hint


def test_an_estimate_without_a_base_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    build = start(tmp_path / "docs", tmp_path / "out", BuildConfig(base=BaseConfig("tiny")))
    check_template(build.at, build.config)


@pytest.mark.parametrize("template", ["{{ m.role }", "{{ 1 // 0 }}", "{{ messages.x.y }}"])
def test_training_translates_what_a_template_raises(template: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(TINY)
    tokenizer.chat_template = template
    with pytest.raises(BaseModelError, match="chat template can't render") as refused:
        render(tokenizer, QUESTION, False)
    assert refused.value.hint


@pytest.mark.parametrize("template", [NO_SYSTEM + OWN, "{{ m.role }"])
def test_a_build_ends_with_one_error_before_training(template: str, tmp_path: Path) -> None:
    base, docs = tmp_path / "base", tmp_path / "docs"
    shutil.copytree(TINY, base)
    (base / "chat_template.jinja").write_text(template)
    docs.mkdir()
    chat = '{"messages": [{"role": "system", "content": "You are the desk."}, '
    chat += '{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ilse."}]}\n'
    (docs / "desk.jsonl").write_text(chat * 3)
    (docs / "hours.md").write_text("# Hours\n\nThe office opens at 9:15.\n")
    result = CliRunner().invoke(
        cli, ["build", str(docs), "--base", str(base), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "chat template" in result.output
    assert "Traceback" not in result.output and isinstance(result.exception, SystemExit)
    assert not (tmp_path / "out" / "work" / "lessons.jsonl").exists()
