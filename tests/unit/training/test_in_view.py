"""A passage stands in front of the first question only, and nothing else changes."""

from __future__ import annotations

from localtune.prompts import in_view


def test_the_passage_stands_before_the_first_question() -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": "At nine."},
        {"role": "user", "content": "Where?"},
    ]
    seen = in_view(chat, "The hall opens at nine.")
    assert seen[0] == chat[0] and seen[2:] == chat[2:]
    assert "The hall opens at nine." in seen[1]["content"] and seen[1]["content"].endswith("When?")
    assert chat[1]["content"] == "When?"
