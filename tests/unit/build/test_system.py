"""--system: what lessons, exam, Modelfile and conversations share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_build import make_build

from localtune.build.job import Build
from localtune.build.open_build import start
from localtune.build.pipeline import check_before, keep_settings
from localtune.config.stages import BuildConfig, ChatConfig
from localtune.deploy.modelfile import modelfile_of
from localtune.deploy.talk import answer
from localtune.errors import InputError
from localtune.ollama.modelfile_grammar import parse
from localtune.prompts import in_view, with_system

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


def test_what_a_modelfile_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    build = start(docs, tmp_path / "out", BuildConfig())
    check_before(prompted(build, SYSTEM))
    with pytest.raises(InputError, match="can't hold this system prompt"):
        check_before(prompted(build, 'It says """\nand goes on."""'))
