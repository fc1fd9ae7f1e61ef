"""`localtune ask` and `chat` with a context of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from localtune.deploy.talk import answer, converse
from localtune.errors import RuntimeFileError

pytest_plugins = ["office_build"]
QUESTION = "Who keeps the keys?"


@pytest.mark.parametrize("context", [96, 0])
def test_a_conversation_longer_than_the_context_goes_on(office: Path, context: int) -> None:
    lines, said = iter([*[QUESTION] * 30, ""]), list[str]()
    converse(office, "", lambda: next(lines), said.append, context)
    assert len(said) == 30 and all(text.strip() for text in said)
    assert said[0].strip() == answer(office, QUESTION)[1]


def test_ask_takes_a_context(office: Path) -> None:
    assert answer(office, QUESTION, context=64)[1] == answer(office, QUESTION)[1]
    long = "word " * 80
    with pytest.raises(RuntimeFileError, match="64"):
        answer(office, long, context=64)
    assert answer(office, long, context=256)[1]
