"""An exam and something that answers -> recall, with a 95 % interval. Knows no model or runtime."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.declining import REFUSALS, UNANSWERABLE
from localtune.errors import EvaluationError
from localtune.number_words import DIGITS
from localtune.progress import Progress, Silent

Row = dict[str, Any]
ARTICLES = {"a", "an", "the"}
Z = 1.959964  # 97.5 % of a normal distribution lie below


@dataclass(frozen=True)
class Score:
    """Recall between 0 and 1, its 95 % interval, and every question with what was said."""

    recall: float
    lo: float
    hi: float
    rows: list[Row]


def grade(rows: list[Row], ask: Callable[[str], str], progress: Progress = Silent()) -> Score:
    """Ask every question and count the answers that hold an accepted one.

    `rows` are those of an exam; the score's rows hold `said` and `correct` besides. Raises
    EvaluationError for an exam without questions.
    """
    if not rows:
        raise EvaluationError("The exam holds no question.", "Give an exam with at least one.")
    graded = []
    with progress.bar("questions", len(rows)) as bar:
        for row in rows:
            said = ask(row["question"])
            correct = is_correct(said, row["answers"])
            graded.append({**row, "said": said, "correct": correct})
            right = sum(done["correct"] for done in graded)
            bar.advance(detail=f"{right}/{len(graded)} right")
    return Score(right / len(rows), *wilson(right, len(rows)), graded)


def is_correct(said: str, accepted: list[str]) -> bool:
    """Whether an accepted answer stands in what was said, word for word.

    Case, punctuation, articles and the commas of large numbers don't count; parts of words or of
    numbers do: "7" is not in "7:40" or "17".
    """
    heard = f" {normalise(said)} "
    return any(f" {answer} " in heard for answer in map(normalise, accepted) if answer)


def normalise(text: str) -> str:
    """Return the words that count, in lower case, one space between.

    "The fee: 1,000 Euros." -> "fee 1000 euros"; "7:40a.m." -> "7:40 am"; "85%" -> "85 percent";
    "three days" -> "3 days".
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\s*%|\bper cent\b", " percent", text)
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d)([ap]m)\b", r" \1", text)
    text = re.sub(r"['’]s\b|['’]", "", text)
    text = _NUMBER_WORD.sub(lambda found: _NUMBERS[found[0]], text)
    text = re.sub(r"(?<=\d)[.:](?=\d)", lambda found: _KEPT[found[0]], text)
    text = "".join(char if _counts(char) else " " for char in text)
    words = text.translate(_RESTORED).split()
    # At the end of a text it is no article: "grade A".
    return " ".join([word for word in words[:-1] if word not in ARTICLES] + words[-1:])


# "one" is more often no number, and "thirteen" and higher are usually written in digits.
_NUMBERS = {word: digits for word, digits in DIGITS.items() if 2 <= int(digits) <= 12}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})\b")
# The points inside a number or a time, while punctuation is dropped: private-use characters.
_KEPT = {".": "\ue000", ":": "\ue001"}
_RESTORED = {ord(kept): point for point, kept in _KEPT.items()}


def _counts(char: str) -> bool:
    return char in _KEPT.values() or unicodedata.category(char)[0] in "LMN"


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927): it stays between 0 and 1 and is sound for few questions and shares near 0 or 1.
    """
    share, z2 = right / total, Z * Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    reach = Z / (1 + z2 / total) * spread
    return max(0.0, middle - reach), min(1.0, middle + reach)


def read_exam(path: Path) -> list[Row]:
    """Read an exam, a JSON object a line: question, answers; id, document and kind if there are.

    A question of the kind "unanswerable" may have no answers: then declining is right. Raises
    EvaluationError, naming the line, for one that can't be graded.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"The exam {path} can't be read: {error}.",
            "Give a file of UTF-8 text, a JSON object a line.",
        ) from error
    rows = [_read_row(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if row["id"] in seen:
            raise EvaluationError(
                f"{path}: questions {seen[row['id']]} and {number} have the same id {row['id']!r}.",
                "Give every question its own id.",
            )
        seen[row["id"]] = number
    return rows


def _read_row(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _wrong(path, number, f"is not JSON ({error})") from error
    wrong = next(_faults(row), None)
    if wrong:
        raise _wrong(path, number, wrong)
    answers = [row["answers"]] if isinstance(row["answers"], str) else row["answers"]
    answers = answers or list(REFUSALS)
    return {**row, "id": str(row.get("id", number)), "answers": answers}


def _faults(row: Any) -> Iterator[str]:
    """Say what keeps a line from being a question."""
    if not isinstance(row, dict):
        yield "is not a JSON object"
        return
    if not isinstance(row.get("question"), str) or not row["question"].strip():
        yield 'has no text under "question"'
    answers = row.get("answers")
    answers = [answers] if isinstance(answers, str) else answers
    if answers == [] and row.get("kind") == UNANSWERABLE:
        return
    if not isinstance(answers, list) or not answers:
        yield 'has no list under "answers"'
    elif not all(isinstance(answer, str) and normalise(answer) for answer in answers):
        yield "has an answer without a letter or a digit"


def _wrong(path: Path, number: int, what: str) -> EvaluationError:
    return EvaluationError(
        f"{path}, line {number} {what}.",
        'A line looks like {"id": "1", "question": "Who keeps the keys?", "answers": ["Okafor"]}.',
    )
