"""How much is written about a corpus: pure functions of its size, the effort and the model.

Knows nothing of files. Sizes are in tokens, as passages.jsonl counts them. More synthetic text
teaches more, ever less of it, up to hundreds of times the corpus (Yang et al. 2024,
arXiv:2409.07431): --effort says where to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

EFFORTS = ("quick", "normal", "max")
TIMES = {"quick": 10, "normal": 30, "max": 150}  # synthetic tokens a token of the corpus
REPLAY = {"quick": (500, 0.10), "normal": (1000, 0.25), "max": (1750, 0.50)}  # most; share
LEAST_REPLAY = 500  # prompts; fewer show too little of what the base can do
PIECES = {"quick": 0.25, "normal": 1.0, "max": 1.0}  # restated documents a question, at most
FEWEST = 500  # questions
ASKED, RESTATED = 60, 180  # tokens of a question with its answer, and of a restated document
FORMS = 7  # questions a fact: 5 forward, 1 reverse, 1 cloze
WITHOUT_FACT = 2  # questions a passage besides: a comparison, and one that needs several facts
TOKENS_A_FACT = 12  # a passage holds no more facts than this allows
PER_QUESTION = 4.2  # texts that are made for one kept question: a share of a list, 2.2 answers, …


@dataclass(frozen=True)
class Budget:
    """What is made of a corpus: questions, restated documents, replayed prompts."""

    questions: int
    restated: int
    replay: int

    @property
    def tokens(self) -> int:
        """The synthetic text, in tokens."""
        return self.questions * ASKED + self.restated * RESTATED


@dataclass(frozen=True)
class Share:
    """What of a budget falls to one passage; `forward` questions a fact beside reverse and cloze.

    `unknown` are questions about things that don't exist.
    """

    facts: int
    forward: int
    restated: int
    unknown: int


def budget(corpus: int, effort: str) -> Budget:
    """Return the budget of a corpus of so many tokens."""
    least = FEWEST * (ASKED + RESTATED * PIECES[effort])  # also where there are few documents
    room = int(max(corpus * TIMES[effort], least))
    questions = max(FEWEST, corpus // 10)
    if effort == "max":  # more wordings, once each question has its restated document
        questions = max(questions, room // (ASKED + RESTATED))
    most = int(questions * PIECES[effort])
    restated = min(most, max(0, room - questions * ASKED) // RESTATED)
    return Budget(questions, restated, replayed(questions + restated, effort))


def replayed(lessons: int, effort: str) -> int:
    """Return how many replayed prompts go beside so many lessons: their share of the whole.

    At least LEAST_REPLAY, where they aren't more than half.
    """
    most, share = REPLAY[effort]
    return min(most, max(ceil(lessons * share / (1 - share)), min(LEAST_REPLAY, lessons)))


def share_of(passage: int, corpus: int, effort: str) -> Share:
    """Return what falls to a passage of so many tokens in a corpus of so many."""
    whole = budget(corpus, effort)
    part = passage / max(corpus, passage, 1)
    wanted = max(1.0, whole.questions * part - WITHOUT_FACT)
    facts = max(1, min(ceil(wanted / FORMS), passage // TOKENS_A_FACT))
    forward = max(FORMS - 2, min(20, ceil(wanted / facts) - 2))
    return Share(facts, forward, ceil(whole.restated * part), max(1, facts // 8))


def flops(corpus: int, effort: str, parameters: int) -> float:
    """Return the floating-point operations of writing it with a model of so many parameters.

    Two a parameter and token (Kaplan et al. 2020, arXiv:2001.08361); prompts that begin alike
    count once.
    """
    made = budget(corpus, effort)
    tokens = made.questions * ASKED * PER_QUESTION + made.restated * RESTATED + made.replay * 128
    return 2.0 * parameters * (tokens + corpus)
