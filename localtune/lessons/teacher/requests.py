"""Plain-text requests to a writer: what they show, what is asked, and the pairs in the replies."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from localtune.in_view import Message
from localtune.lessons.each import write_each
from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.sections import Section
from localtune.progress import Progress
from localtune.writing import UnusableError, Writer

PROMPTS: dict[str, Any] = tomllib.loads(
    files("localtune.lessons.teacher").joinpath("prompts.toml").read_text("utf-8")
)
TOKENS_PER_PAIR = 60
STOP = ("\n---", "\n\n\n")
_MARK = r"^[\s*_#>-]*(?:\d+[.):]\s*)?[*_]*"  # bold, a list's bullet, a number
_LINE = re.compile(_MARK + r"(Q|A|Question|Answer)[*_]*\s*\d*\s*[:.)][*_]*\s*(.+)", re.I)
_QUESTION = re.compile(_MARK + r"(?:(?:Q|Question)[*_]*\s*\d*\s*[:.)])?[*_]*\s*", re.I)


@dataclass(frozen=True)
class Ask:
    """A request: its group and name in prompts.toml, what it shows, and how many pairs it wants."""

    group: str
    name: str
    section: Section
    pairs: int
    parts: tuple[tuple[str, str], ...] = ()
    turn: int = 0  # another draw of the same request

    @property
    def prompt(self) -> str:
        """Return the request as text."""
        parts = {"n": str(self.pairs), "path": self.section.path, **dict(self.parts)}
        task = _filled(PROMPTS[self.group][self.name], parts)
        if self.group == "again":
            return task
        view = {"path": self.section.path, "text": self.section.text, "task": task}
        return _filled(PROMPTS["view"]["section"], view)

    @property
    def messages(self) -> list[Message]:
        """Return the request as a conversation, which begins with examples of its kind."""
        examples = PROMPTS["examples"]
        turns: list[Message] = []
        for example in examples[self.name if self.group == "again" else self.group]:
            asked = _filled(example["asked"], {"example": PROMPTS["example"]})
            turns.append({"role": "user", "content": asked})
            turns.append({"role": "assistant", "content": example["reply"]})
        return [*turns, {"role": "user", "content": self.prompt}]

    @property
    def temperature(self) -> float:
        """Return the temperature: checks are not drawn."""
        return 0.0 if self.group == "check" else 0.4 + 0.2 * min(self.turn, 2)

    @property
    def max_tokens(self) -> int:
        """Return the most tokens of the reply."""
        return 48 if self.group == "check" else TOKENS_PER_PAIR * self.pairs


def _filled(text: str, parts: dict[str, str]) -> str:
    """Put parts into their {places}; braces in documents are left as they are."""
    return re.sub(r"\{(\w+)\}", lambda match: parts.get(match[1], match[0]), text)


def replies(
    writer: Writer,
    asks: Sequence[Ask],
    ledger: Ledger,
    progress: Progress,
    label: str,
    detail: Callable[[Ask, str], str] = lambda ask, text: "",
) -> Iterator[tuple[Ask, str]]:
    """Yield each request with its reply, "" where it has none; what the ledger holds is not asked.

    `detail` is called with each new reply and returns what is shown beside the bar.
    """
    shown = {ask: ask.messages for ask in asks}
    keys = {ask: _key(writer, ask, messages) for ask, messages in shown.items()}
    by_key = {key: ask for ask, key in keys.items()}
    ledger.use(by_key)

    def make(row: dict[str, Any]) -> dict[str, Any]:
        ask: Ask = row["ask"]
        try:
            text, ended = writer.write(
                shown[ask],
                max_tokens=ask.max_tokens,
                temperature=ask.temperature,
                seed=int(keys[ask][:6], 16),
                stop=STOP,
            )
        except UnusableError:
            return {"text": "", "ended": True}
        return {"text": text if ended else _without_last_line(text), "ended": ended}

    jobs = [(key, {"ask": ask}) for ask, key in keys.items()]
    write_each(
        jobs, make, ledger, writer.parallel, progress, label,
        detail=lambda key, row: detail(by_key[key], row["text"]),
    )  # fmt: skip
    for ask in asks:
        yield ask, ledger.rows[keys[ask]]["text"]


def _key(writer: Writer, ask: Ask, messages: list[Message]) -> str:
    made_by = [writer.identity, messages, ask.max_tokens, ask.temperature, ask.turn]
    return hashlib.sha256(json.dumps(made_by, ensure_ascii=False).encode()).hexdigest()


def _without_last_line(text: str) -> str:
    return text.rpartition("\n")[0]


def pairs_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield the questions with their answers of a reply in lines "Q: …" and "A: …"."""
    question = ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        kind, said = match[1][0].upper(), " ".join(match[2].split()).strip("*_ ")
        if kind == "Q":
            question = said
        elif question:
            yield question, said
            question = ""


def questions_in(text: str) -> Iterator[str]:
    """Yield the questions of a reply in lines "Q: …", or in numbered lines."""
    for line in text.splitlines():
        bare = _QUESTION.sub("", line)
        if bare.rstrip().endswith(("?", "？")):
            yield " ".join(bare.split())
