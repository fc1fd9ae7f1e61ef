"""--system: what lessons, exam, Modelfile and conversations share."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_build import make_build

from localtune.config import BaseConfig, BuildConfig, ChatConfig
from localtune.errors import ConfigError, InputError
from localtune.in_view import in_view, with_system
from localtune.modelfiles import modelfile_of
from localtune.opening import start
from localtune.pipeline import check_before, keep_settings
from localtune.runtimes.modelfile_grammar import parse
from localtune.steps import Build, check_system
from localtune.talk import answer

USER = {"role": "user", "content": "Who?"}
SYSTEM = 'You answer for "Tarnbrook".\nShort.'


def test_it_stands_in_front_once_and_the_passage_behind_it() -> None:
    both = with_system([USER], "Be kind.")
    assert [said["role"] for said in both] == ["system", "user"]
    assert with_system(both, "Another.") == both and with_system([USER], "") == [USER]
    assert [said["role"] for said in in_view(both, "A text.")] == ["system", "user"]


def prompted(build: Build, system: str) -> Build:
    return replace(build, config=replace(build.config, chat=ChatConfig(system=system)))


@pytest.mark.slow
def test_the_modelfile_and_every_question_have_it(tmp_path: Path) -> None:
    build = make_build(tmp_path / "boatyard")
    plain = answer(build.at.folder, "Who keeps the keys?")[1]
    keep_settings(prompted(build, SYSTEM))
    commands = parse(modelfile_of(build.at.folder))
    assert [c.value for c in commands if c.name == "SYSTEM"] == [SYSTEM]
    assert answer(build.at.folder, "Who keeps the keys?")[1] != plain


def test_a_template_without_a_place_for_it_is_refused(tmp_path: Path) -> None:
    tiny, base = BaseConfig().folder(), tmp_path / "out" / "work" / "base"
    assert tiny
    shutil.copytree(tiny, base)
    docs = tmp_path / "docs"
    docs.mkdir()
    build = start(docs, tmp_path / "out", BuildConfig())
    check_system(prompted(build, SYSTEM))
    own = (base / "chat_template.jinja").read_text()
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    skips = "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}"
    for template in (refuses + own, skips):
        (base / "chat_template.jinja").write_text(template)
        check_system(build)
        with pytest.raises(ConfigError, match="doesn't show a system prompt"):
            check_system(prompted(build, SYSTEM))


def test_what_a_modelfile_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    build = start(docs, tmp_path / "out", BuildConfig())
    check_before(prompted(build, SYSTEM))
    with pytest.raises(InputError, match="can't hold this system prompt"):
        check_before(prompted(build, 'It says """\nand goes on."""'))
