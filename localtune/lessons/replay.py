"""General prompts and the base -> what it answered before training: so that it stays what it was.

Mixed into the lessons (replay), and soft targets of the base alone come with them. The prompts are
the package's own: prompts.txt holds forms and what they are about, filled in by rule.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from random import Random
from typing import Any

from localtune.lessons.facts import id_of
from localtune.llama.writing import UnusableError, Writer
from localtune.prompts import Message, with_system

Row = dict[str, Any]
LONGEST = 160  # tokens of an answer
WORDS_PER_ANSWER = 70  # of SmolLM2-135M-Instruct, on average
TRIED = "replay 1"  # part of the ledger's keys; another number makes all anew


@lru_cache(maxsize=1)
def prompts() -> tuple[str, ...]:
    """Return all general prompts, in a fixed mixed order: any first part of them is varied.

    A section of the file is a list of topics under a line "# FORM | FORM | …"; a topic is put in
    the place of each {}; what stands under "# *" is taken as it is.
    """
    found: dict[str, None] = {}
    forms: list[str] = []
    for line in files("localtune.lessons").joinpath("prompts.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            forms = ["{}"] if line == "# *" else line[2:].split(" | ")
        elif line and not line.startswith("##"):
            found |= dict.fromkeys(form.replace("{}", line) for form in forms)
    mixed = sorted(found, key=lambda prompt: hashlib.sha256(prompt.encode()).digest())
    return tuple(mixed)


def chosen(number: int, seed: int) -> list[str]:
    """Draw so many prompts, each once; all of them where there are fewer."""
    everything = prompts()
    return Random(seed).sample(everything, min(number, len(everything)))


def answer(prompt: str, writer: Writer, system: str) -> Row:
    """Return {"answer"}: what the base says to a prompt, "" where it says nothing of use."""
    asked: list[Message] = with_system([{"role": "user", "content": prompt}], system)
    try:
        said = writer.write(asked, max_tokens=LONGEST).text
    except UnusableError:
        return {"answer": ""}
    thought, ended, spoken = said.partition("</think>")
    said = spoken.strip() if ended else "" if "<think>" in thought else said
    return {"answer": _whole(said)}


def _whole(said: str) -> str:
    """Return an answer up to its last whole sentence: a lesson that breaks off teaches to."""
    if re.search(r"[.!?)\]\"'”’`*\d]$", said) or len(said.split()) <= 6:
        return said
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", said)]
    return said[: ends[-1]] if ends else ""


def lesson(prompt: str, said: str) -> Row:
    """Return a lesson whose soft targets are the base's own, alone with the prompt."""
    messages = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": said},
    ]
    return {
        "id": id_of("replay", prompt),
        "kind": "replay",
        "document": "",
        "messages": messages,
        "targets": "alone",
    }
