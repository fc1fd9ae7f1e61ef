"""Plain-text requests to a writer: what they show, what is asked, and the pairs in the replies."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from localtune.lessons.each import write_each
from localtune.lessons.ledger import Ledger
from localtune.lessons.teacher.sections import Section
from localtune.llama.writing import Completion, UnusableError, Writer
from localtune.progress import Progress
from localtune.prompts import Message

Row = dict[str, Any]
PROMPTS: dict[str, Any] = tomllib.loads(
    files("localtune.lessons.teacher").joinpath("prompts.toml").read_text("utf-8")
)
TOKENS_PER_PAIR = 40
PLAIN = ("again", "judge")  # groups whose requests show no section; examples are by name
LEAST_NATS = 10.0  # between yes and no of a model that tells no probabilities
FIRST_TOKENS = 10  # of which "yes" and "no" are looked up
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
        if self.group in PLAIN:
            return task
        view = {"path": self.section.path, "text": self.section.text, "task": task}
        return _filled(PROMPTS["view"]["section"], view)

    @property
    def messages(self) -> list[Message]:
        """Return the request as a conversation, which begins with examples of its kind."""
        examples = PROMPTS["examples"]
        turns: list[Message] = []
        for example in examples[self.name if self.group in PLAIN else self.group]:
            asked = _filled(example["asked"], {"example": PROMPTS["example"]})
            turns.append({"role": "user", "content": asked})
            turns.append({"role": "assistant", "content": example["reply"]})
        return [*turns, {"role": "user", "content": self.prompt}]

    @property
    def temperature(self) -> float:
        """Return the temperature: checks are not drawn."""
        return 0.0 if self.group in ("check", "judge") else 0.4 + 0.2 * min(self.turn, 2)

    @property
    def max_tokens(self) -> int:
        """Return the most tokens of the reply."""
        if self.group == "judge":
            return 1
        return 48 if self.group == "check" else TOKENS_PER_PAIR * self.pairs


def in_language(texts: Mapping[str, Any], language: str) -> Any:
    """Return the texts of a language, the English ones for a language without any."""
    return texts.get(language, texts["en"])


def _filled(text: str, parts: dict[str, str]) -> str:
    """Put parts into their {places}; braces in documents are left as they are."""
    return re.sub(r"\{(\w+)\}", lambda match: parts.get(match[1], match[0]), text)


@dataclass(frozen=True)
class Asker:
    """A writer, the ledger of its replies, and where progress is shown.

    What the ledger holds is not asked again. The methods raise what the writer raises.
    """

    writer: Writer
    ledger: Ledger
    progress: Progress

    def replies(
        self,
        asks: Sequence[Ask],
        label: str,
        detail: Callable[[Ask, str], str] = lambda ask, text: "",
        later: Callable[[Ask, Row], Iterable[Ask]] = lambda ask, row: (),
    ) -> Iterator[tuple[Ask, str]]:
        """Return each request with its reply, "" where it has none.

        `detail` is called with each new reply and returns what is shown beside the bar. `later`
        returns requests that follow from one and its row of the ledger, as `write_each` says.
        """
        rows = self._rows(asks, label, detail, later)
        return ((ask, row["text"]) for ask, row in zip(asks, rows, strict=True))

    def margins(self, asks: Sequence[Ask], label: str) -> list[float]:
        """Return for each request how much likelier the reply "yes" is than "no", in nats."""
        rows = self._rows(asks, label, lambda ask, text: "", lambda ask, row: ())
        return [row["margin"] for row in rows]

    def kept(self, name: str, find: Callable[[], Row]) -> Row:
        """Return what `find` found out about the writer the first time; the ledger keeps it."""
        made_by = json.dumps([self.writer.identity, PROMPTS, name])
        key = hashlib.sha256(made_by.encode()).hexdigest()
        if key not in self.ledger.rows:
            self.ledger.add(key, find())
        self.ledger.use([key])
        return self.ledger.rows[key]

    def _rows(
        self,
        asks: Sequence[Ask],
        label: str,
        detail: Callable[[Ask, str], str],
        later: Callable[[Ask, Row], Iterable[Ask]],
    ) -> list[Row]:
        """Return the ledger's row of each request."""
        by_key: dict[str, Ask] = {}

        def job(ask: Ask) -> tuple[str, Row]:
            key = _key(self.writer, ask)
            by_key[key] = ask
            self.ledger.use([key])
            return key, {"ask": ask, "seed": int(key[:6], 16)}

        jobs = [job(ask) for ask in asks]
        write_each(
            jobs, lambda row: _written(self.writer, row["ask"], row["seed"]), self.ledger,
            self.writer.parallel, self.progress, label,
            detail=lambda key, row: detail(by_key[key], row["text"]),
            later=lambda key, row: map(job, later(by_key[key], row)),
        )  # fmt: skip
        return [self.ledger.rows[key] for key, _ in jobs]


def _written(writer: Writer, ask: Ask, seed: int) -> Row:
    """Return the ledger's row for the reply to a request."""
    try:
        completion = writer.write(
            ask.messages,
            max_tokens=ask.max_tokens,
            temperature=ask.temperature,
            seed=seed,
            stop=STOP,
            top=FIRST_TOKENS if ask.group == "judge" else 0,
        )
    except UnusableError:
        completion = Completion("", True)
    if ask.group == "judge":
        return {"text": completion.text, "margin": _margin(completion)}
    text, ended, _ = completion
    return {"text": text if ended else _without_last_line(text), "ended": ended}


def _margin(completion: Completion) -> float:
    """Return how much likelier "yes" is than "no" as the first word, in nats.

    A word that is not among the likeliest tokens counts as less likely than these. Where the model
    tells no probabilities, its word counts as certain.
    """
    listed = completion.first or [(completion.text.partition(" ")[0].strip(" .,"), 0.0)]
    least = min(value for _, value in listed) - LEAST_NATS * (not completion.first)

    def likelihood(word: str) -> float:
        found = [math.exp(value) for token, value in listed if token.strip().lower() == word]
        return math.log(sum(found)) if found else least

    return likelihood("yes") - likelihood("no")


def _key(writer: Writer, ask: Ask) -> str:
    made_by = [writer.identity, ask.messages, ask.max_tokens, ask.temperature, ask.turn]
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
