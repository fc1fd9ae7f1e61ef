"""Whether a question with its answer can be a lesson: the reason why not, or "".

The rules compare words: the answer is in the section, has the detail that is asked for, and the
question can be understood without the section.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from localtune.lessons.grounding import askable, content, declines, grounded, stems
from localtune.lessons.keywords import stem
from localtune.lessons.similarity import words
from localtune.lessons.teacher.pair import Judged
from localtune.lessons.teacher.requests import PROMPTS
from localtune.lessons.teacher.sections import Section
from localtune.lessons.teacher.statements import cell_fault, statements_of, stating
from localtune.lessons.values import MONEY, OFTEN, WHEN
from localtune.number_words import DIGITS

MAX_QUESTION_WORDS, MAX_ANSWER_WORDS = 40, 60
MAX_SECTIONS = 3  # that hold all words which a question shares with its own section
MAX_WORDS_BEFORE_PRONOUN = 3  # where only one of them has a meaning, as in "Who keeps them?"
EXAMPLE_WORDS = frozenset(map(stem, PROMPTS["invented"]))
_QUESTION_MARK = re.compile(r"[?？]\s*$")
# Words that point at a text which the reader does not see, in the languages of most documents.
_POINTS_AT_TEXT = re.compile(
    r"\b(?:text|passage|paragraph|section|document|article|excerpt|line|sentence|table|statement)s?"
    r" (?:above|below|say|says|state|states|mention|mentions|describes?)\b"
    r"|\b(?:in|from|of|by|to|about) (?:the|this) (?:text|passage|paragraph|section|document|article"
    r"|excerpt|table|statement|line)\b"
    r"|\b(?:mentioned|stated|described|listed|given|provided|specified)"
    r" (?:above|below|here|in the)\b"
    r"|\b(?:dem|diesem|im) (?:Text|Abschnitt)\b|\b(?:le|ce) (?:texte|passage)\b"
    r"|\b(?:el|este) (?:texto|pasaje)\b|\b(?:il|questo) (?:testo|brano)\b",
    re.I,
)
# A pronoun that may lack an antecedent; "Is it possible to …" needs none.
_PRONOUN = re.compile(
    r"\b(?:it(?! (?:\w+ )?(?:possible|allowed|necessary|true|ok|okay)\b|.* to \w)"
    r"|he|she|they|these|those|this|them|him|his|her|its|their)\b",
    re.I,
)
_QUESTION_WORDS = frozenset("many much long often far old time soon day year happen mean".split())
_FREE = re.compile(r"\b(?:free|nothing|no (?:charge|cost|fee)|included)\b", re.I)
_TENS = "thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million"
_NUMBER_WORDS = "|".join([*DIGITS, _TENS])
_AMOUNT = re.compile(
    rf"\d|\b(?:{_NUMBER_WORDS}|half|quarter|third|double|twice|once|dozen|all|none|no|only)\b", re.I
)
_TIME = re.compile(
    rf"\b(?:{WHEN}|{OFTEN}|weekdays?|weekends?|spring|summer|autumn|winter|christmas|easter)\b"
    rf"|(?:\d|\b(?:{_NUMBER_WORDS})) ?(?:second|minute|hour|day|week|month|year)s?\b"
    r"|\b(?:after|before|during|until|within|once|when|while|if|as soon|daily|weekly|monthly|yearly"
    r"|annually|always|never|immediately|first|last|today|tomorrow|night|morning|evening"
    r"|any ?time)\b",
    re.I,
)
_SHARE = re.compile(rf"(?:{MONEY}|[\d.,]+ ?(?:%|per cent|percent)).*", re.I)
_ASKS = (
    ("amount", re.compile(r"\bhow (?:much|many)\b|\bwhat (?:price|number)\b", re.I)),
    ("time", re.compile(r"^(?:\W|\w+, )?when\b|\b(?:what|which) (?:time|day|date)\b", re.I)),
    ("amount", re.compile(r"\bhow long\b", re.I)),
    ("name", re.compile(r"\bname of\b|\bcalled\?", re.I)),
    ("person", re.compile(r"^(?:\W|\w+, )?(?:by |to |for |from )?who(?:m|se)?\b", re.I)),
)


class Checks:
    """The checks of pairs about the sections of one corpus."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._holding: dict[str, set[str]] = defaultdict(set)
        self._words: dict[str, set[str]] = {}
        listed = list(sections)
        for section in listed:
            self._words[section.id] = stems(section.whole)
            for word in self._words[section.id]:
                self._holding[word].add(section.id)
        self._statements = {s.id: list(statements_of(s)) for s in listed}
        self._invented = EXAMPLE_WORDS - self._holding.keys()

    def reason(self, question: str, answer: str, section: Section) -> str:
        """Return why a pair is dropped, "" if it is kept."""
        asked, said = words(question), words(answer)
        if not _QUESTION_MARK.search(question) or not 3 <= len(asked) <= MAX_QUESTION_WORDS:
            return "not a whole question"
        if not 0 < len(said) <= MAX_ANSWER_WORDS:
            return "no answer, or a long one"
        if _POINTS_AT_TEXT.search(question) or _POINTS_AT_TEXT.search(answer):
            return "refers to the text"
        if declines(answer):
            return "not answered"
        if _refers_back(question) or self._is_ambiguous(question, section):
            return "does not name its subject"
        if stems(question) & self._invented:
            return "is about an example of the request"
        if not askable(question, section.whole):
            return "asks about something that is not in the section"
        if not grounded(answer, section.whole, question):
            return "answer is not in the section, or in the question already"
        if not has_detail(question, answer):
            return "answer lacks the detail that is asked for"
        return cell_fault(self._statements[section.id], question, answer)

    def with_statement(self, judged: Judged) -> Judged:
        """Return a question and answer with what the section states about them."""
        found = stating(self._statements[judged.section.id], judged.question, judged.answer)
        text = [found[0].whole, *(other.text for other in found[1:])] if found else []
        return replace(judged, statement="\n".join(text) or judged.section.whole)

    def _is_ambiguous(self, question: str, section: Section) -> bool:
        """Whether many sections hold all words that a question shares with its own, or it none."""
        shared = stems(question) & self._words[section.id]
        return not 0 < len(self._with_all(shared)) <= MAX_SECTIONS

    def has_other_answer(self, question: str, answer: str, section: Section) -> bool:
        """Whether another section has all known words of a question, but not half of the answer."""
        said = stems(answer) - stems(question)
        others = self._holders(question) - {section.id}
        return any(2 * len(said & self._words[other]) < len(said) for other in others)

    def _holders(self, question: str) -> set[str]:
        """Return the sections that hold all words of a question that the documents know."""
        return self._with_all(stems(question) & self._holding.keys())

    def _with_all(self, words: set[str]) -> set[str]:
        """Return the sections that hold all of some words, none for no word."""
        return set.intersection(*(self._holding[word] for word in words)) if words else set()


def _refers_back(question: str) -> bool:
    """Whether a question begins with a pronoun for something that it does not name (English)."""
    pronoun = _PRONOUN.search(question)
    if not pronoun:
        return False
    before = question[: pronoun.start()]
    named = set(content(before)) - _QUESTION_WORDS  # a verb, and what it is about
    return not named or (len(named) == 1 and len(words(before)) <= MAX_WORDS_BEFORE_PRONOUN)


def has_detail(question: str, answer: str) -> bool:
    """Whether an answer has an amount for "how much", a time for "when" and so on (English)."""
    asked = next((kind for kind, words in _ASKS if words.search(question)), "")
    if asked == "amount":
        return bool(_AMOUNT.search(answer) or _FREE.search(answer))
    if asked == "name":
        return any(word[0].isupper() for word in answer.split()) and not answer[0].isdigit()
    if asked == "person":
        return not re.search(r"\d", answer)
    if asked == "time":
        return bool(_TIME.search(answer)) and not _SHARE.fullmatch(answer.strip(" ."))
    return True
